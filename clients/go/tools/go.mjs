/** The Go toolchain: whether it is there and new enough, and how it is run here. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const clientRoot = dirname(dirname(fileURLToPath(import.meta.url)));
export const repositoryRoot = dirname(dirname(clientRoot));

/** Why the Go client cannot be built here; undefined where it can. */
export function missingGo() {
  const wanted = readFileSync(join(clientRoot, 'go.mod'), 'utf8').match(/^go (\d+)\.(\d+)/m);
  const [major, minor] = wanted.slice(1).map(Number);
  const { stdout, error } = spawnSync('go', ['env', 'GOVERSION'], {
    cwd: dirname(repositoryRoot),
    encoding: 'utf8',
  });
  if (error !== undefined) return `Go client: no Go toolchain (go ${major}.${minor} or newer)`;
  const [, foundMajor, foundMinor] = (stdout.match(/go(\d+)\.(\d+)/) ?? []).map(Number);
  if (foundMajor > major || (foundMajor === major && foundMinor >= minor)) return undefined;
  return `Go client: go ${major}.${minor} or newer is needed, ${stdout.trim()} is installed`;
}

/** Runs a command in the client's folder; its output, and whether it passed. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: clientRoot,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  });
  const text = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`.trim();
  return { passed: result.status === 0, text };
}

/** Stubs of proto/ into a folder; the plugins are built from tools.mod when they are first used. */
export function generateStubs(output) {
  const buf = join(repositoryRoot, 'node_modules', '.bin', 'buf');
  return run(buf, ['generate', ...(output === undefined ? [] : ['--output', output])]);
}
