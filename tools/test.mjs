#!/usr/bin/env node
/**
 * `npm test`: set-up, contracts, format, types, the tests of every project, those that span services, lint. Ends
 * with `N passed, N failed[, N skipped]`: each test counts one, and each lint, typecheck, format and contract check too.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkNode, installDependencies, prepare, root, runChild } from './set-up.mjs';
import { addCounts, countTask, failedTests, none, skippedTests, summary } from './test-counts.mjs';

/** Projects whose tests start whole meshes: alone, one after the other, when everything else has passed the machine. */
const spanning = ['@emloc/contract-tests', '@emloc/e2e', '@emloc/interop'];
/** Clients in other languages: their tests start a mesh too, and their linters are not eslint. */
const languageClients = 'tag:kind:language-client';

const startedMs = Date.now();
checkNode();
await installDependencies();
await prepare({ model: true });

const environment = {
  ...process.env,
  NX_DAEMON: 'false',
  NX_CACHE_DIRECTORY: join(root, '.nx', 'cache'),
  NX_TUI: 'false',
};
let counts = none;
const failures = [];
const skips = [];

for (const name of ['lint', 'breaking', 'reference'])
  counts = addCounts(
    counts,
    await check(`contracts: ${name}`, undefined, ['tools/contracts/main.mjs', name]),
  );
counts = addCounts(counts, await check('pictures', undefined, ['tools/method-pictures.mjs', '--check']));
counts = addCounts(counts, await check('format', 'prettier', ['--check', '.']));
counts = addCounts(counts, await check('typecheck', 'tsc', ['--noEmit', '-p', 'tsconfig.json']));
counts = addCounts(
  counts,
  await nx(['-t', 'test', `--exclude=${[...spanning, languageClients].join(',')}`, '--parallel=2']),
);
counts = addCounts(counts, await nx(['-t', 'test', '-p', spanning.join(','), '--parallel=1']));
counts = addCounts(counts, await nx(['-t', 'lint', 'test', '-p', languageClients, '--parallel=1']));
// After Nx, whose graph of the projects the layer rules read. All projects at once take a fifth of one after the other.
counts = addCounts(counts, await check('lint', 'eslint', ['--max-warnings', '0', '.']));

list('skipped', skips);
list('failed', failures);
console.log(`\ntook ${Math.round((Date.now() - startedMs) / 1000)}s`);
console.log(summary(counts));
process.exitCode = counts.failed === 0 ? 0 : 1;

function list(title, names) {
  if (names.length > 0) console.log(`\n${title}:\n${names.map((name) => `  ${name}`).join('\n')}`);
}

/** One command that passes or fails as a whole; without a tool: a script of ours. */
async function check(name, tool, args) {
  console.log(`\n> ${name}`);
  const command = tool === undefined ? process.execPath : bin(tool);
  const code = await runChild(command, args, { cwd: root, env: environment, stdio: 'inherit' });
  console.log(code === 0 ? `${name}: passed` : `${name}: failed`);
  if (code === 0) return { ...none, passed: 1 };
  failures.push(name);
  return { ...none, failed: 1 };
}

/** Runs Nx targets; which task passed is read from the record Nx keeps, how many tests from what their runners printed. */
async function nx(args) {
  mkdirSync(environment.NX_CACHE_DIRECTORY, { recursive: true });
  let output = '';
  const began = new Date().toISOString();
  const code = await runChild(bin('nx'), ['run-many', ...args, '--output-style=static'], {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
    onStart: (child) =>
      child.stdout.setEncoding('utf8').on('data', (chunk) => {
        process.stdout.write(chunk);
        output += chunk;
      }),
  });
  failures.push(...failedTests(output));
  skips.push(...skippedTests(output));
  const tasks = tasksSince(began);
  if (tasks.length === 0) return { ...none, failed: 1 };
  const counted = tasks.map((task) => countTask(task, output)).reduce(addCounts, none);
  return code !== 0 && counted.failed === 0 ? addCounts(counted, { ...none, failed: 1 }) : counted;
}

function tasksSince(began) {
  try {
    const record = JSON.parse(readFileSync(join(environment.NX_CACHE_DIRECTORY, 'run.json'), 'utf8'));
    return record.run.startTime >= began ? record.tasks : [];
  } catch {
    return [];
  }
}

function bin(name) {
  return join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);
}
