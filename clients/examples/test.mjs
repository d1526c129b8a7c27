#!/usr/bin/env node
/**
 * `npm run test:examples`: builds each example and runs it on the tiny model against a mesh of its own, then reads what
 * came out. Builds are kept outside the repository; the first takes minutes. Ends with `N passed, N failed[, N skipped]`;
 * what is left out for want of a toolchain is named. Arguments name the examples to take.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resultsLine } from '../../tools/test-results.mjs';
import { summary } from '../../tools/test-counts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const cache = join(process.env.EMLOC_CACHE || join(homedir(), '.cache', 'emloc'), 'examples');
const model = join(root, 'tests', 'fixtures', 'tiny-llama');

/** What each needs, how it is built, and how it is run with arguments. */
const all = [
  {
    name: 'java',
    tools: ['java', 'mvn'],
    build: () => maven('compile'),
    start: (args) => maven('exec:java', `-Dexec.args=${args.join(' ')}`),
  },
  {
    name: 'rust',
    tools: ['cargo', 'rustc'],
    build: () => ['cargo', ['build']],
    start: (args) => [join(cache, 'rust', 'debug', 'emloc-example'), args],
  },
];

/** Those that arguments name; without any, all. */
const wanted = process.argv.slice(2);
const examples = all.filter(({ name }) => wanted.length === 0 || wanted.includes(name));

if (process.env.EMLOC_ADDRESS === undefined) {
  const missing = examples.flatMap(({ name, tools }) => tools.filter(isMissing).map((tool) => [name, tool]));
  if (new Set(missing.map(([name]) => name)).size === examples.length) report({ skips: missing.map(told) });
  else process.exitCode = beside();
} else {
  report(await testAll());
}

/** This again, beside a mesh. */
function beside() {
  const withMesh = join(root, 'tools', 'with-mesh.mjs');
  const again = [withMesh, process.execPath, fileURLToPath(import.meta.url), ...wanted];
  return spawnSync(process.execPath, again, { stdio: 'inherit' }).status ?? 1;
}

async function testAll() {
  const results = { passed: 0, failures: [], skips: [] };
  for (const example of examples) {
    const missing = example.tools.find(isMissing);
    if (missing !== undefined) {
      results.skips.push(told([example.name, missing]));
      continue;
    }
    const wrong = test(example);
    if (wrong === undefined) results.passed += 1;
    else results.failures.push(`${example.name} example: ${wrong}`);
  }
  return results;
}

/** What is wrong with an example; undefined where nothing is. */
function test({ name, build, start }) {
  const folder = mkdtempSync(join(tmpdir(), `emloc-${name}-`));
  try {
    console.log(`\n> ${name}: build`);
    if (run(name, build()).code !== 0) return 'does not build';
    const output = join(folder, 'adapter');
    const data = join(folder, 'train.jsonl');
    writeFileSync(data, rowsOf(name));
    const address = process.env.EMLOC_ADDRESS;
    console.log(`\n> ${name}: fine-tune`);
    const whole = run(name, start([address, model, data, output]));
    if (whole.code !== 0) return `ended with ${whole.code}`;
    for (const said of [
      /^train step 1\/\d+ loss \d+\.\d+ \d+ tokens\/s$/m,
      /^job .*SUCCEEDED$/im,
      /^chosen: ./m,
    ])
      if (!said.test(whole.text)) return `did not say ${said}`;
    const config = JSON.parse(readFileSync(join(output, 'adapter_config.json'), 'utf8'));
    if (config.peft_type !== 'LORA') return `wrote no LoRA adapter but ${config.peft_type}`;
    if (!existsSync(join(output, 'adapter_model.safetensors'))) return 'wrote no weights';
    const refused = run(name, start([address, join(folder, 'nothing'), model, join(folder, 'other')]));
    if (refused.code === 0 || !/error: [A-Z_]+: .+ \(.+\)/.test(refused.text))
      return 'does not tell reason and mend of a refusal';
    return undefined;
  } catch (error) {
    return error.message;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Rows of its own, since work that was done on the same ones is not done again: the same, from another one on. */
function rowsOf(name) {
  const rows = readFileSync(join(model, 'train.jsonl'), 'utf8').trim().split('\n');
  const first = 1 + all.findIndex((example) => example.name === name);
  return `${[...rows.slice(first), ...rows.slice(0, first)].join('\n')}\n`;
}

function run(name, [command, args]) {
  const env = { ...process.env, CARGO_TARGET_DIR: join(cache, 'rust') };
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: join(here, name),
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const text = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`;
  process.stdout.write(text);
  return { code: status, text };
}

function maven(...goals) {
  return ['mvn', ['-B', '-ntp', '-q', `-Demloc.build=${join(cache, 'java')}`, ...goals]];
}

function isMissing(tool) {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined;
}

function told([name, tool]) {
  return `${name} example: no ${tool}`;
}

function report({ passed = 0, failures = [], skips = [] }) {
  const counts = { passed, failed: failures.length, skipped: skips.length };
  for (const text of [...failures, ...skips.map((skip) => `skipped: ${skip}`)]) console.log(text);
  console.log(resultsLine({ ...counts, failures, skips }));
  console.log(summary(counts));
  process.exitCode = failures.length === 0 ? 0 : 1;
}
