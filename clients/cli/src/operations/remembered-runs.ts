/** Which run was to fill which output: what `--resume` and `emloc jobs resume` go on with after a Ctrl-C or a crash. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Home } from '../mesh/home.ts';

export interface RememberedRun {
  readonly output: string;
  readonly id: string;
  /** Where the log goes, where one was asked for. */
  readonly log?: string;
}

export function rememberRun(home: Home, output: string, id: string, log?: string): void {
  mkdirSync(folder(home), { recursive: true });
  writeFileSync(fileOf(home, output), `${JSON.stringify({ output, id, log } satisfies RememberedRun)}\n`);
}

export function forgetRun(home: Home, output: string): void {
  rmSync(fileOf(home, output), { force: true });
}

/** The id of the run that was to fill `output`. */
export const recallRun = (home: Home, output: string): string | undefined => read(fileOf(home, output))?.id;

/** What the run `id` was to fill. */
export const recallPlaces = (home: Home, id: string): RememberedRun | undefined =>
  all(home).find((run) => run.id === id);

function all(home: Home): RememberedRun[] {
  try {
    return readdirSync(folder(home)).flatMap((name) => read(join(folder(home), name)) ?? []);
  } catch {
    return [];
  }
}

function read(path: string): RememberedRun | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as RememberedRun;
  } catch {
    return undefined;
  }
}

const folder = (home: Home): string => join(home.directory, 'runs');
const fileOf = (home: Home, output: string): string =>
  join(folder(home), `${createHash('sha256').update(output).digest('hex').slice(0, 32)}.json`);
