/** Sums what the checks and test runs of a workspace came to. */
import { resultsIn } from './test-results.mjs';

export const none = { passed: 0, failed: 0, skipped: 0 };

export const addCounts = (a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

export const summary = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;

/**
 * One task of Nx's record. A test task counts its tests, a failed one at least one failure (a crash prints no count); any
 * other task counts one, unless it says itself what it came to (a linter that is not there was skipped).
 */
export function countTask(task, output) {
  const passed = task.status === 0;
  const told = resultsIn(outputOf(task.taskId, output));
  if (task.target !== 'test' && (!passed || told.length === 0))
    return passed ? { ...none, passed: 1 } : { ...none, failed: 1 };
  const counts = countTests(outputOf(task.taskId, output));
  if (counts === undefined) return { ...none, failed: 1 };
  return passed || counts.failed > 0 ? counts : addCounts(counts, { ...none, failed: 1 });
}

/** What vitest says at its end, and what other runners say in theirs; undefined where nobody says anything. */
export function countTests(text) {
  const told = [vitestCounts(text), ...resultsIn(text)].filter((counts) => counts !== undefined);
  return told.length === 0 ? undefined : told.reduce(addCounts, none);
}

/** `Tests  1 failed | 31 passed | 2 skipped (34)` */
function vitestCounts(text) {
  const line = text.match(/^ *Tests +(.*\(\d+\).*)$/m)?.[1];
  if (line === undefined) return undefined;
  const count = (word) => Number(line.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') + count('todo') };
}

/** Names of the tests that failed: as vitest heads each failure (` FAIL  src/a.test.ts > what it shows`), or as told. */
export function failedTests(output) {
  const plain = stripColours(output);
  const heads = [...plain.matchAll(/^ *(?:> )?FAIL +(.+)$/gm)].map((head) => head[1].trim());
  return [...new Set([...heads, ...resultsIn(plain).flatMap(({ failures }) => failures)])];
}

/** What runners other than vitest left out, and why. */
export function skippedTests(output) {
  return [...new Set(resultsIn(stripColours(output)).flatMap(({ skips }) => skips))];
}

/** The part of Nx's output that belongs to a task: from its heading to the next. */
export function outputOf(taskId, output) {
  const plain = stripColours(output);
  const headings = [...plain.matchAll(/^(?:[^\w\n]*)nx run (\S+)/gm)];
  const index = headings.findIndex((heading) => heading[1] === taskId);
  return index < 0 ? '' : plain.slice(headings[index].index, headings[index + 1]?.index);
}

const stripColours = (text) => text.replace(/\u001b\[[0-9;]*m/g, '').replace(/\r/g, '');
