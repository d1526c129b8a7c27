/** Where a language is not installed, what tests and checks its client says so, passes, and counts as skipped. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { repository } from './support/test-mesh.ts';

// A script for Node alone, without types.
const script = new URL('../../../tools/test-results.mjs', import.meta.url).href;
interface Results {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skips: readonly string[];
}
const { resultsIn } = (await import(script)) as { resultsIn(text: string): Results[] };

test.each([
  ['clients/python/run.mjs test', /no Python/],
  ['clients/python/run.mjs lint', /no Python/],
  ['clients/go/tools/test.mjs', /no Go toolchain/],
  ['clients/go/tools/lint.mjs', /no Go toolchain/],
  ['clients/examples/test.mjs', /no java/],
])('%s', (command, why) => {
  const bin = mkdtempSync(join(tmpdir(), 'emloc-bin-'));
  onTestFinished(() => rmSync(bin, { recursive: true }));
  symlinkSync(process.execPath, join(bin, 'node'));
  const said = execFileSync(process.execPath, command.split(' '), {
    cwd: repository,
    encoding: 'utf8',
    env: { ...process.env, PATH: bin },
  });
  expect(said.split('\n')[0]).toMatch(why);
  const [results] = resultsIn(said);
  expect(results).toMatchObject({ passed: 0, failed: 0 });
  expect(results?.skipped).toBe(results?.skips.length);
  expect(results?.skips[0]).toMatch(why);
});
