/** The bytes of a text file as they come, unpacked where they are gzip's. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { EmlocError } from '@emloc/errors';
import type { ReadPosition } from './read-position.ts';

const headBytes = 64 * 1024;
const chunkBytes = 1024 * 1024;

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** A stream that the reader ends or destroys; what is wrong with the file is thrown to whoever iterates over it. */
export async function openBytes(file: string, position?: ReadPosition): Promise<Readable> {
  const begin = Buffer.alloc(2);
  const handle = await open(file).catch((error: unknown) => Promise.reject(EmlocError.from(error)));
  let size: number;
  try {
    await handle.read(begin, 0, 2, 0);
    ({ size } = await handle.stat());
  } finally {
    await handle.close();
  }
  const bytes = createReadStream(file, { highWaterMark: chunkBytes });
  position?.follow(() => bytes.bytesRead / size);
  // The callback is there to take the error, which the iterator of the last stream throws, too.
  return isGzip(begin) ? pipeline(bytes, createGunzip({ chunkSize: chunkBytes }), () => undefined) : bytes;
}

/** The first bytes, unpacked. */
export async function readHead(file: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of readBytes(file)) {
    pieces.push(piece);
    length += piece.length;
    if (length >= headBytes) break;
  }
  return Buffer.concat(pieces).subarray(0, headBytes);
}

/** The chunks, with errors of ours. */
export async function* readBytes(file: string, position?: ReadPosition): AsyncGenerator<Buffer> {
  const stream = await openBytes(file, position);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw unpackError(file, error);
  } finally {
    stream.destroy();
  }
}

export function unpackError(file: string, error: unknown): EmlocError {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !/^Z_/.test(code)) return EmlocError.from(error);
  return new EmlocError(
    'INVALID_ARGUMENT',
    'DAMAGED_GZIP',
    `${file} cannot be unpacked: ${(error as Error).message}`,
    { field: file, value: file, mend: 'download the file again', cause: error },
  );
}
