/** Which run was to fill which output: what `--resume` and `emloc jobs resume` go on with after a Ctrl-C or a crash. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Home } from '../mesh/home.ts';

interface Remembered {
  readonly output: string;
  readonly id: string;
}

export function rememberRun(home: Home, output: string, id: string): void {
  mkdirSync(folder(home), { recursive: true });
  writeFileSync(fileOf(home, output), `${JSON.stringify({ output, id } satisfies Remembered)}\n`);
}

export function forgetRun(home: Home, output: string): void {
  rmSync(fileOf(home, output), { force: true });
}

/** The id of the run that was to fill `output`. */
export const recallRun = (home: Home, output: string): string | undefined => read(fileOf(home, output))?.id;

/** The output that the run `id` was to fill. */
export function recallOutput(home: Home, id: string): string | undefined {
  return all(home).find((run) => run.id === id)?.output;
}

function all(home: Home): Remembered[] {
  try {
    return readdirSync(folder(home)).flatMap((name) => read(join(folder(home), name)) ?? []);
  } catch {
    return [];
  }
}

function read(path: string): Remembered | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Remembered;
  } catch {
    return undefined;
  }
}

const folder = (home: Home): string => join(home.directory, 'runs');
const fileOf = (home: Home, output: string): string =>
  join(folder(home), `${createHash('sha256').update(output).digest('hex').slice(0, 32)}.json`);
