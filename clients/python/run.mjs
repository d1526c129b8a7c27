#!/usr/bin/env node
/**
 * `node clients/python/run.mjs (test | lint | python) [ARGUMENT…]`: the client's tests beside a mesh of their own, its
 * checks, or a Python that has it. What they need is installed by the user's pip into a virtual environment in the cache
 * (EMLOC_CACHE, else XDG_CACHE_HOME/emloc, else ~/.cache/emloc), anew when pyproject.toml says something else. Where
 * there is no Python with venv and pip, it is said, and counted as skipped.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, runChild } from '../../tools/set-up.mjs';
import { resultsLine } from '../../tools/test-results.mjs';
import { withLock } from '../../tools/toolbox/lock.mjs';
import { runAtEase } from '../../tools/toolbox/run.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const oldest = [3, 10];
const say = (text) => console.error(`python client: ${text}`);

/** What pip has to bring: to build the package, to run it, to test it. */
const requirements = `
try:
    import tomllib
except ModuleNotFoundError:
    from pip._vendor import tomli as tomllib
with open("pyproject.toml", "rb") as file:
    read = tomllib.load(file)
project = read["project"]
for each in (*read["build-system"]["requires"], *project["dependencies"], *project["optional-dependencies"]["telemetry"],
             *read["dependency-groups"]["test"]):
    print(each)
`;

const commands = {
  test: (python, args) => [
    [process.execPath, join(root, 'tools', 'with-mesh.mjs'), python, '-m', 'pytest', ...args],
  ],
  lint: (python) => [
    [python, '-m', 'ruff', 'check'],
    [python, '-m', 'ruff', 'format', '--check'],
    [python, '-m', 'mypy'],
  ],
  python: (python, args) => [[python, ...args]],
};

const [command = '', ...args] = process.argv.slice(2);
if (!(command in commands)) {
  console.error('usage: node clients/python/run.mjs (test | lint | python) [ARGUMENT…]');
  process.exit(2);
}
const system = findPython();
if (system === undefined) {
  const why = `python client: ${command} skipped: no Python ${oldest.join('.')} or newer with venv and pip`;
  console.log(why);
  console.log(resultsLine({ skipped: 1, skips: [why] }));
  process.exit(0);
}
const python = await environment(system);
await runAtEase(python, ['hatch_build.py'], { cwd: here, say });
// What the mesh of the tests writes its spans to.
const traces = mkdtempSync(join(tmpdir(), 'emloc-python-traces-'));
process.on('exit', () => rmSync(traces, { recursive: true, force: true }));
for (const [program, ...rest] of commands[command](python, args)) {
  const env = {
    ...process.env,
    PYTHONPATH: join(here, 'src'),
    PYTHONDONTWRITEBYTECODE: '1',
    EMLOC_TRACE_FILE: traces,
    // Paths beyond are refused.
    EMLOC_MODEL_ROOTS: [root, tmpdir()].join(delimiter),
  };
  const code = await runChild(program, rest, {
    cwd: command === 'python' ? process.cwd() : here,
    env,
    stdio: 'inherit',
  });
  if (code !== 0) process.exit(code);
}

function findPython() {
  const check = `import sys, venv, ensurepip, pip; sys.exit(sys.version_info < (${oldest.join(', ')}))`;
  return ['python3', 'python'].find(
    (name) => spawnSync(name, ['-c', check], { stdio: 'ignore' }).status === 0,
  );
}

/** The Python of the virtual environment, made if it is not there yet. */
async function environment(system) {
  const version = spawnSync(system, ['-c', 'import sys; print(sys.version, sys.base_prefix)'], {
    encoding: 'utf8',
  }).stdout;
  const key = createHash('sha256')
    .update(readFileSync(join(here, 'pyproject.toml')))
    .update(version)
    .digest('hex');
  const directory = join(cacheDirectory(), 'python-client', key.slice(0, 16));
  const whole = join(directory, 'whole');
  const python = join(directory, 'bin', 'python');
  if (existsSync(whole)) return python;
  mkdirSync(directory, { recursive: true });
  await withLock(`python-client:${directory}`, say, async () => {
    if (existsSync(whole)) return;
    say('installing what its tests need (pip)');
    rmSync(directory, { recursive: true, force: true });
    await runAtEase(system, ['-m', 'venv', directory], { say });
    const wanted = (await runAtEase(python, ['-c', requirements], { cwd: here, say }))
      .split('\n')
      .filter(Boolean);
    await runAtEase(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...wanted], {
      say,
    });
    writeFileSync(whole, '');
  });
  return python;
}

function cacheDirectory(env = process.env) {
  if (env.EMLOC_CACHE) return resolve(env.EMLOC_CACHE);
  return join(env.XDG_CACHE_HOME ? resolve(env.XDG_CACHE_HOME) : join(homedir(), '.cache'), 'emloc');
}
