/** The directory of the programs as the sources are now: found, or compiled now. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repositoryRoot, sourceDigest } from './sources.mjs';

/** Older ones go when a new one is made; what runs from them by then has loaded what it needs. */
const keptForMs = 7 * 24 * 3_600_000;

let found;

/** Looked for once in a process. Undefined where nothing can be written, or the sources do not compile. */
export function buildDirectory() {
  found ??= { directory: findOrMake() };
  return found.directory;
}

function findOrMake() {
  const all = join(repositoryRoot, 'node_modules', '.cache', 'emloc-programs');
  const directory = join(all, sourceDigest());
  if (existsSync(directory)) return directory;
  const draft = `${directory}.${process.pid}`;
  try {
    mkdirSync(draft, { recursive: true });
    compile(draft, directory);
    // Another process may have been faster; then its work is as good.
    if (!existsSync(directory)) renameSync(draft, directory);
    removeOld(all);
    return directory;
  } catch (error) {
    if (process.env['EMLOC_DEBUG']) process.stderr.write(`not compiled, run from source: ${error.message}\n`);
    return existsSync(directory) ? directory : undefined;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** In a process of its own, so that the caller need not be asynchronous and does not hold the compiler in memory. */
function compile(draft, directory) {
  const compiler = fileURLToPath(new URL('./compile.mjs', import.meta.url));
  const { status, stderr, error } = spawnSync(process.execPath, [compiler, draft, directory], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (status !== 0) throw error ?? new Error(stderr);
}

function removeOld(all) {
  const limit = Date.now() - keptForMs;
  for (const name of readdirSync(all)) {
    const path = join(all, name);
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? limit) < limit)
      rmSync(path, { recursive: true, force: true });
  }
}
