/**
 * What a test run that is not vitest's says of itself: one line of JSON on its standard output, which `npm test` counts
 * and Nx keeps and replays with the rest of the output. Any runner may print it, in any language:
 *
 *   {"testResults":{"passed":31,"failed":1,"skipped":2,"failures":["halves are equal"],"skips":["no Go toolchain"]}}
 *
 * `failures` names what failed, `skips` says what was left out and why; both may be missing.
 */

/** The line, with the counts that are missing as 0. */
export function resultsLine({ passed = 0, failed = 0, skipped = 0, failures = [], skips = [] }) {
  return JSON.stringify({ testResults: { passed, failed, skipped, failures, skips } });
}

/** All such lines of a text. One that is cut or holds no counts is none. */
export function resultsIn(text) {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('{"testResults":'))
    .map(parse)
    .filter((results) => results !== undefined);
}

function parse(line) {
  try {
    const { passed, failed, skipped, failures = [], skips = [] } = JSON.parse(line).testResults;
    const counts = [passed, failed, skipped];
    return counts.every(Number.isInteger) ? { passed, failed, skipped, failures, skips } : undefined;
  } catch {
    return undefined;
  }
}

/** Results of `go test -json`: each test and subtest without subtests counts one, a package that does not build one failure. */
export function fromGoTest(text) {
  const outcomes = { pass: [], fail: [], skip: [] };
  for (const line of text.split('\n').filter((line) => line.startsWith('{'))) {
    const { Action: action, Package: name = '', Test: test } = JSON.parse(line);
    if (action in outcomes) outcomes[action].push({ name, test });
  }
  const ended = Object.values(outcomes).flat();
  const isParent = ({ name, test }) =>
    ended.some((other) => other.name === name && other.test?.startsWith(`${test}/`));
  const tests = (action) => outcomes[action].filter((one) => one.test !== undefined && !isParent(one));
  const told = ({ name, test }) => `${name} ${test}`;
  const broken = outcomes.fail.filter(
    ({ name, test }) =>
      test === undefined && !outcomes.fail.some((o) => o.name === name && o.test !== undefined),
  );
  const failures = [...tests('fail').map(told), ...broken.map(({ name }) => name)];
  return {
    passed: tests('pass').length,
    failed: failures.length,
    skipped: tests('skip').length,
    failures,
    skips: tests('skip').map(told),
  };
}
