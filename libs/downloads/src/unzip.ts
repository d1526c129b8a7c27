/**
 * Files out of a zip archive (a wheel is one), streamed to disk. Names are checked by yauzl (no absolute path, no
 * `..`); each file's checksum and length are checked here. What was written is left to the caller to move into place.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { EmlocError } from '@emloc/errors';
import type { OnProgress } from './progress.ts';

export interface UnzipOptions {
  /** Which files to take: false skips one, a string names its place under `outDir`, true keeps its own name. */
  readonly select?: (name: string) => boolean | string;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface UnzippedFile {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** Writes the selected files of the archive under `outDir` and tells which. */
export async function unzipEntries(
  zip: string,
  outDir: string,
  options: UnzipOptions = {},
): Promise<UnzippedFile[]> {
  const archive = await openPromise(zip, { autoClose: false }).catch((error: unknown) => {
    throw unreadable(zip, error);
  });
  try {
    const wanted = await selectEntries(archive, zip, options.select ?? (() => true));
    const totalBytes = wanted.reduce((n, { entry }) => n + entry.uncompressedSize, 0);
    const files: UnzippedFile[] = [];
    let doneBytes = 0;
    const count = (bytes: number): void => {
      doneBytes += bytes;
      options.onProgress?.({ phase: 'unpack', what: basename(zip), doneBytes, totalBytes });
    };
    for (const { entry, to } of wanted) {
      const path = join(outDir, to);
      await extract(archive, zip, entry, path, count, options.signal);
      files.push({ name: entry.fileName, path, bytes: entry.uncompressedSize });
    }
    return files;
  } finally {
    archive.close();
  }
}

/** One small text file of the archive, the first whose name matches; undefined where there is none. */
export async function readZipText(zip: string, matches: RegExp): Promise<string | undefined> {
  const archive = await openPromise(zip, { autoClose: false }).catch((error: unknown) => {
    throw unreadable(zip, error);
  });
  try {
    for await (const entry of archive.eachEntry()) {
      if (!matches.test(entry.fileName)) continue;
      const pieces: Buffer[] = [];
      for await (const piece of await archive.openReadStreamPromise(entry)) pieces.push(piece as Buffer);
      const bytes = Buffer.concat(pieces);
      if (crc32(bytes) !== entry.crc32) throw new Error(`checksum of ${entry.fileName} does not match`);
      return bytes.toString('utf8');
    }
    return undefined;
  } catch (error) {
    throw unreadable(zip, error);
  } finally {
    archive.close();
  }
}

async function selectEntries(
  archive: ZipFile,
  zip: string,
  select: (name: string) => boolean | string,
): Promise<{ entry: Entry; to: string }[]> {
  const wanted: { entry: Entry; to: string }[] = [];
  try {
    for await (const entry of archive.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      const choice = select(entry.fileName);
      if (choice !== false) wanted.push({ entry, to: choice === true ? entry.fileName : choice });
    }
  } catch (error) {
    throw unreadable(zip, error);
  }
  return wanted;
}

async function extract(
  archive: ZipFile,
  zip: string,
  entry: Entry,
  path: string,
  count: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let sum = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum = crc32(chunk, sum);
      count(chunk.length);
      done(null, chunk);
    },
  });
  try {
    await mkdir(dirname(path), { recursive: true });
    await pipeline(await archive.openReadStreamPromise(entry), check, createWriteStream(path), { signal });
  } catch (error) {
    await rm(path, { force: true });
    if (signal?.aborted) throw new EmlocError('CANCELLED', 'CANCELLED', `unpacking ${zip} was cancelled`);
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw EmlocError.from(error);
    throw unreadable(zip, error);
  }
  if (sum !== entry.crc32) {
    await rm(path, { force: true });
    throw unreadable(zip, new Error(`checksum of ${entry.fileName} does not match`));
  }
}

function unreadable(zip: string, cause: unknown): EmlocError {
  if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return EmlocError.from(cause);
  return new EmlocError('DATA_LOSS', 'BAD_ARCHIVE', `${zip} is damaged: ${(cause as Error).message}`, {
    value: zip,
    mend: 'delete the file, so that it is fetched again',
    cause,
  });
}
