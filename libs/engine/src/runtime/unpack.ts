/** Takes out of a wheel (a zip file) what the engine loads, entry by entry, without holding any in memory. */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EmlocError } from '@emloc/errors';
import yauzl from 'yauzl';

export interface UnpackOptions {
  readonly wheel: string;
  readonly directory: string;
  readonly wanted: (name: string) => boolean;
  /** Called with each piece's bytes as they are written. */
  readonly onBytes?: (bytes: number) => void;
}

/** The files written, by their name in the wheel, with their lengths. Sizes are verified (pip has checked the digest). */
export async function unpackWheel(options: UnpackOptions): Promise<Record<string, number>> {
  const { wheel, directory, wanted, onBytes } = options;
  const files: Record<string, number> = {};
  let zip: yauzl.ZipFile;
  try {
    zip = await yauzl.openPromise(wheel, { lazyEntries: true, autoClose: false, validateEntrySizes: true });
  } catch (cause) {
    throw damaged(wheel, cause);
  }
  try {
    for await (const entry of zip.eachEntry()) {
      if (!wanted(entry.fileName) || entry.fileName.endsWith('/')) continue;
      const target = join(directory, normalize(entry.fileName));
      await mkdir(dirname(target), { recursive: true });
      const from = await zip.openReadStreamPromise(entry);
      from.on('data', (piece: Buffer) => onBytes?.(piece.length));
      await pipeline(from, createWriteStream(target));
      files[entry.fileName] = entry.uncompressedSize;
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw code === undefined ? damaged(wheel, cause) : EmlocError.from(cause);
  } finally {
    zip.close();
  }
  return files;
}

/** One small text entry, for a wheel's metadata. */
export async function readWheelText(wheel: string, matches: RegExp): Promise<string | undefined> {
  const zip = await yauzl.openPromise(wheel, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      if (!matches.test(entry.fileName)) continue;
      const pieces: Buffer[] = [];
      for await (const piece of await zip.openReadStreamPromise(entry)) pieces.push(piece as Buffer);
      return Buffer.concat(pieces).toString('utf8');
    }
    return undefined;
  } finally {
    zip.close();
  }
}

const damaged = (wheel: string, cause: unknown): EmlocError =>
  new EmlocError(
    'DATA_LOSS',
    'WHEEL_DAMAGED',
    `the fetched package is damaged: ${(cause as Error).message}`,
    {
      value: wheel,
      mend: "try again; empty pip's cache (`pip cache purge`) if it happens again",
      cause,
    },
  );
