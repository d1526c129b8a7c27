/**
 * Where Python looks for packages: asked of Python itself, without importing anything. Starting it costs a tenth of a
 * second and more, which every process of a mesh would pay, so the answer is kept for a day beside the runtimes.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, pythonCommands } from '@emloc/downloads';

const KEEP_MS = 24 * 3600 * 1000;
const ASK_TIMEOUT_MS = 30_000;

/** The directories of Python's `sys.path`; none where there is no Python. */
export function pythonPaths(env: NodeJS.ProcessEnv = process.env): string[] {
  const file = join(cacheDirectory(env), 'python', `${keyOf(env)}.json`);
  const kept = read(file);
  if (kept !== undefined) return kept;
  const paths = ask(env);
  keep(file, paths);
  return paths;
}

/** What decides which Python answers, and what it says. */
function keyOf(env: NodeJS.ProcessEnv): string {
  const names = [
    'EMLOC_PYTHON',
    'PATH',
    'PYTHONPATH',
    'PYTHONHOME',
    'VIRTUAL_ENV',
    'CONDA_PREFIX',
    'PYENV_VERSION',
    'HOME',
  ];
  const values = names.map((name) => `${name}=${env[name] ?? ''}`).join('\n');
  return createHash('sha256').update(values).digest('hex').slice(0, 16);
}

function ask(env: NodeJS.ProcessEnv): string[] {
  for (const command of pythonCommands(env)) {
    const asked = spawnSync(command, ['-c', 'import json, sys; print(json.dumps(sys.path))'], {
      encoding: 'utf8',
      timeout: ASK_TIMEOUT_MS,
      env,
    });
    if (asked.status !== 0) continue;
    try {
      return (JSON.parse(asked.stdout) as string[]).filter((path) => path !== '');
    } catch {
      // Not the Python we know: another command may be.
    }
  }
  return [];
}

function read(file: string): string[] | undefined {
  try {
    const { askedMs, paths } = JSON.parse(readFileSync(file, 'utf8')) as { askedMs: number; paths: string[] };
    const ageMs = Date.now() - askedMs;
    return ageMs >= 0 && ageMs < KEEP_MS && Array.isArray(paths) ? paths : undefined;
  } catch {
    return undefined;
  }
}

function keep(file: string, paths: readonly string[]): void {
  try {
    mkdirSync(join(file, '..'), { recursive: true });
    const fresh = `${file}.${process.pid}`;
    writeFileSync(fresh, JSON.stringify({ askedMs: Date.now(), paths }));
    renameSync(fresh, file);
  } catch {
    // A cache that cannot be written: Python is asked again.
  }
}
