/** The buf of this repository's node_modules, and where the contracts lie. Node's own modules only. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const require = createRequire(import.meta.url);

/** Runs buf; its exit code and what it printed. `cwd` is where relative paths begin. */
export function runBuf(args, cwd = root) {
  const main = join(dirname(require.resolve('@bufbuild/buf/package.json')), 'bin', 'buf');
  return run(process.execPath, [main, ...args], cwd);
}

export function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  if (error !== undefined) return { code: 127, stdout: '', stderr: `${command}: ${error.message}` };
  return { code: status ?? 1, stdout, stderr };
}
