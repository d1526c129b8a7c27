#!/usr/bin/env node
/**
 * `npm run test:deploy`: what is deployed, tested with the real tools. Makes them first (once, minutes; see toolbox/), then
 * runs the tests of tests/deploy; arguments go to vitest. Ends with `N passed, N failed[, N skipped]`.
 */
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { checkNode, installDependencies, prepare, root, runChild } from './set-up.mjs';
import { countTests, failedTests, none, summary } from './test-counts.mjs';
import { recipeNames, toolPath } from './toolbox/toolbox.mjs';

checkNode();
await installDependencies();
await prepare({ model: false });
for (const name of recipeNames()) {
  // The tests that need it are skipped, and say so.
  await toolPath(name).catch((error) => console.error(`toolbox: ${error.message}`));
}

let output = '';
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const code = await runChild(
  process.execPath,
  [vitest, 'run', '--root', join(root, 'tests', 'deploy'), ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    onStart: (child) =>
      child.stdout.setEncoding('utf8').on('data', (chunk) => {
        process.stdout.write(chunk);
        output += chunk;
      }),
  },
);
const plain = stripVTControlCharacters(output);
const failed = failedTests(plain);
if (failed.length > 0) console.log(`\nfailed:\n${failed.map((name) => `  ${name}`).join('\n')}`);
// Without a count no test ran at all.
const counts = countTests(plain) ?? { ...none, failed: 1 };
console.log(summary(code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts));
process.exitCode = code;
