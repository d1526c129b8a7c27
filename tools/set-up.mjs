/**
 * What a fresh clone needs before any TypeScript runs: the right Node and the dependencies; then, by the command line
 * itself, TensorFlow and the demo model. Node's own modules only: nothing is installed yet.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const leastNode = [20, 19];
/** Dependencies take about 0.6 GB, TensorFlow 0.3 GB to download and 0.9 GB unpacked. */
const leastDiskBytes = 2.5e9;

/** Prints what is missing and how to get it, and ends. */
export function fail(message, mend) {
  console.error(`error: ${message}${mend === undefined ? '' : ` (${mend})`}`);
  process.exit(1);
}

export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = leastNode;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  fail(
    `Node ${version} is too old`,
    `install Node ${leastNode.join('.')} or newer: 20, 22 and 24 are supported`,
  );
}

/** Runs `npm ci` where node_modules is missing, unfinished, or not what the lock file says. */
export async function installDependencies() {
  const reason = staleReason();
  if (reason === undefined) return;
  checkDisk();
  console.error(`set-up: installing dependencies (npm ci): ${reason}`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const code = await runQuietly('npm ci', npm, ['ci', '--no-audit', '--no-fund'], { cwd: root });
  if (code !== 0) fail('npm ci failed', 'see its output above; is the package registry reachable?');
}

/** Why node_modules does not serve, or undefined where it does: npm leaves there a copy of the lock file it followed. */
export function staleReason() {
  const followed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(followed)) return 'node_modules is missing';
  const installed = JSON.parse(readFileSync(followed, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith('node_modules/') || entry.optional) continue;
    const found = installed[path];
    if (found === undefined) return `${path} is missing`;
    if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${path} is ${found.version}, the lock file wants ${entry.version}`;
    }
  }
  return undefined;
}

/** Fetches TensorFlow and, if asked, the demo model, where the cache does not hold them. */
export async function prepare({ model }) {
  const args = [join(root, 'clients', 'cli', 'src', 'set-up', 'main.ts'), ...(model ? ['--model'] : [])];
  const code = await runTypeScript(args);
  if (code !== 0) process.exit(code);
}

/** Runs a TypeScript program; its output is ours; signals are passed on. Dependencies have to be there. */
export async function runTypeScript([program, ...args], options = {}) {
  const { programArguments } = await import('@emloc/launch');
  return runChild(process.execPath, [...programArguments(program), ...args], {
    cwd: root,
    stdio: 'inherit',
    ...options,
  });
}

/** Resolves to the exit code. Ctrl-C reaches the child by the terminal; what only reaches us is passed on. */
export function runChild(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, options);
    const pass = (signal) => child.kill(signal);
    const wait = () => undefined;
    process.on('SIGINT', wait);
    process.on('SIGTERM', pass);
    child.on('error', (error) => {
      console.error(`error: ${command}: ${error.message}`);
      resolve(1);
    });
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait);
      process.off('SIGTERM', pass);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
    options.onStart?.(child);
  });
}

/** Keeps a child's output to itself unless it fails; says every ten seconds that it is still at it. */
async function runQuietly(name, command, args, options) {
  const chunks = [];
  const startedMs = Date.now();
  const seconds = () => Math.round((Date.now() - startedMs) / 1000);
  const timer = setInterval(() => console.error(`set-up: ${name}, ${seconds()}s`), 10_000);
  const code = await runChild(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    onStart: (child) => {
      child.stdout.on('data', (chunk) => chunks.push(chunk));
      child.stderr.on('data', (chunk) => chunks.push(chunk));
    },
  });
  clearInterval(timer);
  if (code === 0) console.error(`set-up: ${name} took ${seconds()}s`);
  else process.stderr.write(Buffer.concat(chunks));
  return code;
}

function checkDisk() {
  const { bavail, bsize } = statfsSync(root);
  const freeBytes = bavail * bsize;
  if (freeBytes >= leastDiskBytes) return;
  const gigabytes = (bytes) => (bytes / 1e9).toFixed(1);
  fail(
    `only ${gigabytes(freeBytes)} GB are free on the disk of ${root}, the set-up needs ${gigabytes(leastDiskBytes)} GB`,
    'free some space',
  );
}
