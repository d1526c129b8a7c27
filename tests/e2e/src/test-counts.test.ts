/** How `npm test` counts: what Nx, vitest and other runners print, replayed from a cache or not. */
import { expect, test } from 'vitest';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
interface TestCounts {
  countTask(task: { taskId: string; target: string; status: number }, output: string): Counts;
  failedTests(output: string): string[];
  skippedTests(output: string): string[];
  summary(counts: Counts): string;
}
interface Results extends Counts {
  readonly failures: string[];
  readonly skips: string[];
}
interface TestResults {
  fromGoTest(text: string): Results;
  resultsLine(results: Partial<Results>): string;
}

// Scripts for Node alone, without types.
const script = (name: string) => new URL(`../../../tools/${name}`, import.meta.url).href;
const { countTask, failedTests, skippedTests, summary } = (await import(
  script('test-counts.mjs')
)) as TestCounts;
const { fromGoTest, resultsLine } = (await import(script('test-results.mjs'))) as TestResults;

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
  '> nx run @emloc/d:test',
  resultsLine({
    passed: 5,
    failed: 1,
    skipped: 1,
    failures: ['test_d.py::test_halves'],
    skips: ['d: no toolchain'],
  }),
  resultsLine({ passed: 2 }),
  '{"testResults":{"passed":"many"}}',
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

test('results of other runners are counted by the lines in which they tell them', () => {
  expect(countTask(task('d', 1), output)).toEqual({ passed: 7, failed: 1, skipped: 1 });
  expect(countTask(task('d', 0), '> nx run @emloc/d:test\n{"testResults":{"pas')).toMatchObject({
    failed: 1,
  });
});

test('the tests that failed are named once each, and what other runners left out', () => {
  expect(failedTests(output)).toEqual(['src/b.test.ts > halves > are equal', 'test_d.py::test_halves']);
  expect(skippedTests(output)).toEqual(['d: no toolchain']);
});

test('of go test each innermost test counts one, and a package that does not build', () => {
  const events = [
    { Action: 'run', Package: 'emloc', Test: 'TestJob' },
    { Action: 'output', Package: 'emloc', Test: 'TestJob', Output: '=== RUN TestJob' },
    { Action: 'pass', Package: 'emloc', Test: 'TestJob/ends' },
    { Action: 'fail', Package: 'emloc', Test: 'TestJob/is_cancelled' },
    { Action: 'fail', Package: 'emloc', Test: 'TestJob' },
    { Action: 'skip', Package: 'emloc', Test: 'TestTls' },
    { Action: 'fail', Package: 'emloc' },
    { Action: 'fail', Package: 'emloc/broken' },
  ];
  const text = ['# emloc/broken: not JSON', ...events.map((event) => JSON.stringify(event))].join('\n');
  expect(fromGoTest(text)).toEqual({
    passed: 1,
    failed: 2,
    skipped: 1,
    failures: ['emloc TestJob/is_cancelled', 'emloc/broken'],
    skips: ['emloc TestTls'],
  });
});

test('lint and typecheck count one each', () => {
  expect(countTask({ taskId: '@emloc/a:lint', target: 'lint', status: 0 }, output).passed).toBe(1);
  expect(countTask({ taskId: '@emloc/a:lint', target: 'lint', status: 1 }, output).failed).toBe(1);
  const skipped = `> nx run @emloc/d:lint\n${resultsLine({ skipped: 1 })}`;
  const counts = countTask({ taskId: '@emloc/d:lint', target: 'lint', status: 0 }, skipped);
  expect(counts).toEqual({ passed: 0, failed: 0, skipped: 1 });
});

test('the last line is plain', () => {
  expect(summary({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
  expect(summary({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
});
