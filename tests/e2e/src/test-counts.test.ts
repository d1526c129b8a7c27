/** How `npm test` counts: what Nx and vitest print, replayed from a cache or not. */
import { expect, test } from 'vitest';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
interface TestCounts {
  countTask(task: { taskId: string; target: string; status: number }, output: string): Counts;
  failedTests(output: string): string[];
  summary(counts: Counts): string;
}

// A script for Node alone, without types.
const script = new URL('../../../tools/test-counts.mjs', import.meta.url).href;
const { countTask, failedTests, summary } = (await import(script)) as TestCounts;

const output = [
  '> nx run @emloc/a:test  [existing outputs match the cache, left as is]',
  '> vitest run --root libs/a\r',
  '\u001b[2m Test Files \u001b[22m \u001b[1m\u001b[32m2 passed\u001b[39m\u001b[22m\u001b[90m (2)\u001b[39m',
  '\u001b[2m      Tests \u001b[22m \u001b[1m\u001b[32m31 passed\u001b[39m\u001b[22m\u001b[90m (31)\u001b[39m',
  '✖ nx run @emloc/b:test',
  '\u001b[41m FAIL \u001b[49m src/b.test.ts > halves > are equal',
  ' FAIL  src/b.test.ts > halves > are equal',
  '      Tests  1 failed | 4 passed | 2 skipped (7)',
  '> nx run @emloc/c:test',
  'Error: it fell over before any test',
].join('\n');
const task = (project: string, status: number) => ({
  taskId: `@emloc/${project}:test`,
  target: 'test',
  status,
});

test('passed, failed and skipped tests are counted, of a replayed task too', () => {
  expect(countTask(task('a', 0), output)).toEqual({ passed: 31, failed: 0, skipped: 0 });
  expect(countTask(task('b', 1), output)).toEqual({ passed: 4, failed: 1, skipped: 2 });
});

test('a task that printed no count, or failed besides its tests, is a failure', () => {
  expect(countTask(task('c', 1), output)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(countTask(task('a', 1), output)).toEqual({ passed: 31, failed: 1, skipped: 0 });
  expect(countTask(task('unknown', 0), output)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test('the tests that failed are named once each', () => {
  expect(failedTests(output)).toEqual(['src/b.test.ts > halves > are equal']);
});

test('lint and typecheck count one each', () => {
  expect(countTask({ taskId: '@emloc/a:lint', target: 'lint', status: 0 }, output).passed).toBe(1);
  expect(countTask({ taskId: '@emloc/a:lint', target: 'lint', status: 1 }, output).failed).toBe(1);
});

test('the last line is plain', () => {
  expect(summary({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
  expect(summary({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
});
