import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ProgressReporter } from './index.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('remaining time is the pace since the first report, whatever was done before it', () => {
  const said: { step: number; remainingSeconds?: number }[] = [];
  const emit = (event: unknown) => {
    said.push((event as { progress: { step: number; remainingSeconds?: number } }).progress);
  };
  const reporter = new ProgressReporter({ emit }, 'evaluate', 100);
  vi.advanceTimersByTime(60_000);
  reporter.report(28); // at once 28: the first wave, after a minute of loading
  vi.advanceTimersByTime(10_000);
  reporter.report(48);
  vi.advanceTimersByTime(10_000);
  reporter.report(100);
  expect(said.map(({ step, remainingSeconds }) => [step, remainingSeconds])).toEqual([
    [28, undefined],
    [48, 26],
    [100, 0],
  ]);
});
