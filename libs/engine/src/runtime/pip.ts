/**
 * Downloads wheels with the user's own pip: its configuration (indexes, mirrors, proxies, certificates) applies, and
 * nothing is installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { pythonCommands } from './python.ts';

export interface DownloadProgress {
  readonly package: string;
  readonly doneBytes: number;
  /** As pip says it; undefined until then. */
  readonly totalBytes: number | undefined;
}

export interface DownloadOptions {
  /** A requirement as pip writes them: `tensorflow-cpu==2.21.0`. */
  readonly requirement: string;
  /** Empty; the wheel, and what pip writes while it downloads, go there. */
  readonly directory: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly env?: NodeJS.ProcessEnv;
}

const POLL_MS = 300;

interface Outcome {
  readonly status: number | undefined;
  readonly output: string;
}

/** The path of the downloaded wheel. */
export async function pipDownload(options: DownloadOptions): Promise<string> {
  const { requirement, directory } = options;
  const plain = [
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--no-cache-dir',
    '--dest',
    directory,
    requirement,
  ];
  let last: Outcome = { status: undefined, output: '' };
  for (const [command, ...prefix] of pipCommands(options.env)) {
    last = await run(command!, [...prefix, ...plain], options);
    if (last.status === undefined || /No module named pip/.test(last.output)) continue;
    // No wheel for this Python: the libraries inside are the same for every Python, so ask for another one's.
    if (last.status !== 0 && findsNone(last.output)) {
      last = await run(command!, [...prefix, ...plain, ...anotherPython()], options);
    }
    if (last.status === 0) break;
    throw failed(requirement, last.output);
  }
  const wheel = readdirSync(directory).find((name) => name.endsWith('.whl'));
  if (last.status !== 0 || wheel === undefined) throw noPip();
  return join(directory, wheel);
}

/** The pip that would be used. */
export function findPip(
  env: NodeJS.ProcessEnv = process.env,
): { command: string; version: string } | undefined {
  for (const [command, ...prefix] of pipCommands(env)) {
    const asked = spawnSync(command!, [...prefix, '--version'], { encoding: 'utf8', timeout: 15_000, env });
    const version = /^pip (\S+)/.exec(asked.stdout ?? '')?.[1];
    if (asked.status === 0 && version !== undefined)
      return { command: [command, ...prefix].join(' '), version };
  }
  return undefined;
}

function pipCommands(env: NodeJS.ProcessEnv = process.env): string[][] {
  return [
    ...pythonCommands(env).map((python) => [python, '-m', 'pip']),
    ...(env.EMLOC_PYTHON ? [] : [['pip3'], ['pip']]),
  ];
}

/** Options that take the wheel of CPython 3.12 for this machine. */
function anotherPython(): string[] {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const platforms =
    process.platform === 'darwin'
      ? ['macosx_12_0_arm64']
      : [`manylinux_2_27_${machine}`, `manylinux_2_17_${machine}`, `manylinux2014_${machine}`];
  return [
    '--python-version=3.12',
    '--implementation=cp',
    '--abi=cp312',
    ...platforms.map((platform) => `--platform=${platform}`),
  ];
}

function run(command: string, args: string[], options: DownloadOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    // pip's temporary files go beside the wheel: on the disk that has the room, and seen as progress.
    const child = spawn(command, args, {
      env: { ...(options.env ?? process.env), TMPDIR: options.directory, PYTHONUNBUFFERED: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let totalBytes: number | undefined;
    const read = (piece: Buffer): void => {
      output += piece.toString('utf8');
      totalBytes ??= announcedSize(output);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    const timer = setInterval(() => {
      const doneBytes = directoryBytes(options.directory);
      options.onProgress?.({ package: options.requirement, doneBytes, totalBytes });
    }, POLL_MS);
    // Not left running when this process ends before it.
    const stop = (): boolean => child.kill();
    process.once('exit', stop);
    const end = (status: number | undefined): void => {
      clearInterval(timer);
      process.off('exit', stop);
      resolve({ status, output });
    };
    child.on('error', () => end(undefined));
    child.on('close', (status) => end(status ?? -1));
  });
}

/** From pip's line `Downloading tensorflow….whl (274.0 MB)`. */
export function announcedSize(output: string): number | undefined {
  const size = /Downloading \S+\.whl[^\n(]*\((\d+(?:\.\d+)?)\s*([kMG]?B)\)/.exec(output);
  if (size === null) return undefined;
  const unit = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[size[2]!]!;
  return Number(size[1]) * unit;
}

function directoryBytes(directory: string): number {
  let bytes = 0;
  try {
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size;
    }
  } catch {
    // pip renames and removes files while we look.
  }
  return bytes;
}

const noPip = (): EmlocError =>
  new EmlocError(
    'FAILED_PRECONDITION',
    'PIP_MISSING',
    'TensorFlow is fetched with pip, which was not found',
    {
      field: 'pip',
      mend: 'install Python with pip (Debian: apt install python3-pip), or unpack a TensorFlow wheel and set EMLOC_TENSORFLOW_DIR to it',
    },
  );

function failed(requirement: string, output: string): EmlocError {
  const lines = output.trim().split('\n');
  const said = lines.filter((line) => /error/i.test(line)).at(-1) ?? lines.at(-1) ?? '';
  const detail = said.replace(/^ERROR:\s*/, '').slice(0, 300);
  if (/No space left|Errno 28|ENOSPC/.test(output)) {
    return new EmlocError('RESOURCE_EXHAUSTED', 'DISK_FULL', `no space left while fetching ${requirement}`, {
      mend: 'free 2 GB, or set EMLOC_CACHE to a directory on another disk',
    });
  }
  if (findsNone(output)) {
    return new EmlocError('NOT_FOUND', 'PACKAGE_NOT_FOUND', `pip finds no ${requirement} for this system`, {
      value: requirement,
      mend: "check the network and pip's index, or unpack a TensorFlow wheel and set EMLOC_TENSORFLOW_DIR to it",
      metadata: { pip: detail },
    });
  }
  return new EmlocError('UNAVAILABLE', 'DOWNLOAD_FAILED', `pip could not fetch ${requirement}: ${detail}`, {
    value: requirement,
    mend: "check the network and pip's configuration, or unpack a TensorFlow wheel and set EMLOC_TENSORFLOW_DIR to it",
  });
}

const findsNone = (output: string): boolean =>
  /No matching distribution|Could not find a version/.test(output) && !isOffline(output);

const isOffline = (output: string): boolean =>
  /Retrying|NewConnectionError|Name or service not known|Temporary failure in name resolution|Connection refused|Network is unreachable|ReadTimeout|ProxyError|SSLError/.test(
    output,
  );
