/** The tools of tools/toolbox, and how to run one. */
import { execFileSync, spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Of the repository. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

const main = fileURLToPath(new URL('../../../tools/toolbox/main.mjs', import.meta.url));

/** Paths of tools, in the order of their names; made where they are not there yet. */
export function tools(...names: readonly string[]): string[] {
  const out = execFileSync(process.execPath, [main, ...names], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return out.trim().split('\n');
}

/** Why tools cannot be had here, for a test that is skipped then; undefined where they can. */
export function lacking(...names: readonly string[]): string | undefined {
  const { status, stderr } = spawnSync(process.execPath, [main, ...names], { encoding: 'utf8' });
  return status === 0 ? undefined : stderr.trim().split('\n').at(-1);
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, whatever the end is. */
export function run(command: string, args: readonly string[], options: SpawnSyncOptions = {}): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 256 * 2 ** 20,
    ...options,
  });
  if (error !== undefined) throw error;
  return { code: status, stdout: String(stdout), stderr: String(stderr) };
}
