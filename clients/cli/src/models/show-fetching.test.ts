import { expect, test } from 'vitest';
import type { Output } from '../output/output.ts';
import type { ProgressUpdate } from '../output/progress.ts';
import { showFetching } from './show-fetching.ts';

test('the time that is left is told once a speed is known, and counts what came in this run only', () => {
  const shown: ProgressUpdate[] = [];
  let ms = 0;
  const show = showFetching(
    { progress: (update: ProgressUpdate) => void shown.push(update) } as Output,
    () => ms,
  );
  const tell = (doneBytes: number): void =>
    show({ phase: 'download', what: 'org/name', doneBytes, totalBytes: 1000 });
  // A resumed download: 600 bytes were there.
  tell(600);
  ms = 1_000;
  tell(650);
  ms = 4_000;
  tell(800);
  expect(shown.map(({ remainingSeconds }) => remainingSeconds)).toEqual([undefined, undefined, 4]);
  expect(shown[2]).toMatchObject({ stage: 'download org/name', done: 800, total: 1000, unit: 'bytes' });
});
