/**
 * A safetensors file, written whole or not at all: under a temporary name beside its place, synced, renamed. The header
 * stands first, so names and shapes are given at the start; the bytes come in any order and in pieces. Data begins on a
 * 64-byte border and tensors of a multiple of 64 bytes come first, so that those can be mapped without a copy.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { byteLength, dtypeBytes, type TensorInfo } from '../dtype.ts';
import { safetensorsName } from './dtypes.ts';
import { WrittenRanges } from './written-ranges.ts';

const alignment = 64;

interface Place {
  readonly info: TensorInfo;
  /** From the start of the file. */
  readonly begin: number;
  readonly bytes: number;
  readonly written: WrittenRanges;
}

export class SafetensorsWriter {
  readonly path: string;
  readonly #temporary: string;
  readonly #places: Map<string, Place>;
  #fd: number | undefined;

  constructor(path: string, infos: readonly TensorInfo[], metadata: Readonly<Record<string, string>> = {}) {
    checkNames(path, infos);
    const { header, places, fileBytes } = layOut(infos, metadata);
    this.path = path;
    this.#places = places;
    this.#temporary = join(
      dirname(path),
      `.${basename(path)}.${process.pid}-${randomUUID().slice(0, 8)}.tmp`,
    );
    try {
      checkSpace(dirname(path), fileBytes);
      this.#fd = openSync(this.#temporary, 'wx');
      ftruncateSync(this.#fd, fileBytes);
      writeAll(this.#fd, header, 0);
    } catch (error) {
      this.abort();
      throw EmlocError.from(error);
    }
  }

  /** Writes all of a tensor, or the part of it that begins `offset` bytes into it. */
  write(name: string, bytes: Uint8Array, offset = 0): void {
    const fd = this.#open();
    const place = this.#places.get(name);
    if (!place) throw misuse('UNKNOWN_TENSOR', `${this.path} was not laid out for ${name}`, name);
    if (offset < 0 || offset + bytes.byteLength > place.bytes) {
      const problem = `${bytes.byteLength} bytes at ${offset} do not fit ${name}, which has ${place.bytes}`;
      throw misuse('WRONG_BYTE_LENGTH', problem, name, String(bytes.byteLength));
    }
    try {
      writeAll(fd, bytes, place.begin + offset);
    } catch (error) {
      throw EmlocError.from(error);
    }
    place.written.add(offset, offset + bytes.byteLength);
  }

  /** Puts the file in its place, replacing one that is there; refused while bytes of a tensor are missing. */
  finish(): void {
    const fd = this.#open();
    for (const { info, bytes, written } of this.#places.values()) {
      if (!written.covers(bytes)) {
        throw misuse('TENSOR_MISSING', `${info.name} was not written whole to ${this.path}`, info.name);
      }
    }
    try {
      fsyncSync(fd);
      closeSync(fd);
      this.#fd = undefined;
      renameSync(this.#temporary, this.path);
      syncFolder(dirname(this.path));
    } catch (error) {
      this.abort();
      throw EmlocError.from(error);
    }
  }

  /** Leaves nothing behind. Does nothing after `finish`. */
  abort(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    rmSync(this.#temporary, { force: true });
  }

  [Symbol.dispose](): void {
    this.abort();
  }

  #open(): number {
    if (this.#fd === undefined)
      throw misuse('WRITER_CLOSED', `${this.path} is finished or aborted`, this.path);
    return this.#fd;
  }
}

/** A whole file at once. */
export function writeSafetensors(
  path: string,
  tensors: readonly (TensorInfo & { readonly bytes: Uint8Array })[],
  metadata?: Readonly<Record<string, string>>,
): void {
  using writer = new SafetensorsWriter(path, tensors, metadata);
  for (const { name, bytes } of tensors) writer.write(name, bytes);
  writer.finish();
}

function layOut(
  infos: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; places: Map<string, Place>; fileBytes: number } {
  const unaligned = (info: TensorInfo): number => (byteLength(info) % alignment === 0 ? 0 : 1);
  // Among the rest, wide elements first, so that each element stays on its own border.
  const sorted = [...infos].sort(
    (a, b) => unaligned(a) - unaligned(b) || dtypeBytes[b.dtype] - dtypeBytes[a.dtype],
  );
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let at = 0;
  for (const info of sorted) {
    const data_offsets = [at, (at += byteLength(info))];
    entries.push([info.name, { dtype: safetensorsName[info.dtype], shape: info.shape, data_offsets }]);
  }
  const json = Buffer.from(
    `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`,
  );
  const dataBegin = Math.ceil((8 + json.length) / alignment) * alignment;
  const header = Buffer.alloc(dataBegin, ' ');
  header.writeBigUInt64LE(BigInt(dataBegin - 8));
  json.copy(header, 8);

  const places = new Map<string, Place>();
  let begin = dataBegin;
  for (const info of sorted) {
    const bytes = byteLength(info);
    places.set(info.name, { info, begin, bytes, written: new WrittenRanges() });
    begin += bytes;
  }
  return { header, places, fileBytes: begin };
}

function checkNames(path: string, infos: readonly TensorInfo[]): void {
  const seen = new Set(['__metadata__']);
  for (const { name, shape } of infos) {
    if (seen.has(name)) throw misuse('DUPLICATE_TENSOR', `${name} cannot stand (twice) in ${path}`, name);
    if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
      throw misuse('BAD_SHAPE', `${name} has shape [${shape.join(', ')}]`, name, `[${shape.join(', ')}]`);
    }
    seen.add(name);
  }
}

function checkSpace(folder: string, fileBytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= fileBytes) return;
  throw new EmlocError(
    'RESOURCE_EXHAUSTED',
    'DISK_FULL',
    `${fileBytes} bytes do not fit on the disk of ${folder}`,
    {
      field: folder,
      value: `${bavail * bsize} bytes free`,
      mend: 'free some space or choose another output directory',
    },
  );
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  let written = 0;
  while (written < bytes.byteLength) {
    const length = Math.min(2 ** 30, bytes.byteLength - written);
    written += writeSync(fd, bytes, written, length, position + written);
  }
}

/** A rename lasts through a power cut only once its folder is synced; where folders cannot be opened, it is on its own. */
function syncFolder(folder: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(folder, 'r');
    fsyncSync(fd);
  } catch {
    return;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const misuse = (reason: string, message: string, field: string, value?: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', reason, message, { field, value });
