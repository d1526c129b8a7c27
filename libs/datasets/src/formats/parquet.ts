/**
 * Parquet, by hyparquet (all encodings and codecs), a stretch of a row group at a time. Limits: the compressed bytes of
 * a row group's columns are held, so a file larger than memory needs more than one row group (the hub's files have
 * 1000 rows in each; pyarrow writes 1,048,576 unless told otherwise).
 */
import { open, type FileHandle } from 'node:fs/promises';
import { parquetMetadataAsync, parquetReadObjects, type AsyncBuffer, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { EmlocError } from '@emloc/errors';
import { fileError } from '../rows.ts';
import type { ReadPosition } from './read-position.ts';
import type { DataRecord } from './records.ts';

/** Rows of a stretch hold about so many bytes unpacked. Nested columns are unpacked anew for each of a group. */
const stretchBytes = 64 * 1024 * 1024;

export async function* readParquet(file: string, position?: ReadPosition): AsyncGenerator<DataRecord> {
  const handle = await open(file).catch((error: unknown) => Promise.reject(EmlocError.from(error)));
  try {
    const buffer = new GroupBuffer(handle, (await handle.stat()).size);
    const metadata = await said(file, 1, parquetMetadataAsync(buffer));
    let rowsRead = 0;
    position?.follow(() => rowsRead / Number(metadata.num_rows));
    for (const { rowStart, rowEnd, isNewGroup } of stretches(metadata)) {
      if (isNewGroup) buffer.forget();
      const options = { file: buffer, metadata, compressors, rowStart, rowEnd, useOffsetIndex: true };
      const rows = await said(file, rowStart + 1, parquetReadObjects(options));
      for (const [i, row] of rows.entries()) {
        const value = Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, plain(cell)]));
        rowsRead = rowStart + i + 1;
        yield { place: { file, line: rowsRead, unit: 'row' }, value };
      }
    }
  } finally {
    await handle.close();
  }
}

/** The file's bytes; those of a row group are kept for its next stretch. */
class GroupBuffer implements AsyncBuffer {
  readonly #handle: FileHandle;
  readonly byteLength: number;
  readonly #kept = new Map<string, Promise<ArrayBuffer>>();

  constructor(handle: FileHandle, byteLength: number) {
    this.#handle = handle;
    this.byteLength = byteLength;
  }

  slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const key = `${start}-${end}`;
    const read = this.#kept.get(key) ?? this.#read(start, end);
    this.#kept.set(key, read);
    return read;
  }

  forget(): void {
    this.#kept.clear();
  }

  async #read(start: number, end: number): Promise<ArrayBuffer> {
    const bytes = new Uint8Array(end - start);
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await this.#handle.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0) throw new Error('the file ends early');
      done += bytesRead;
    }
    return bytes.buffer;
  }
}

interface Stretch {
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly isNewGroup: boolean;
}

/** Never over the end of a row group, whose columns would be read twice. */
function* stretches({ row_groups: groups }: FileMetaData): Generator<Stretch> {
  let begin = 0;
  for (const { num_rows, total_byte_size } of groups) {
    const rows = Number(num_rows);
    const parts = Math.max(1, Math.ceil(Number(total_byte_size) / stretchBytes));
    const step = Math.max(1, Math.ceil(rows / parts));
    for (let at = 0; at < rows; at += step) {
      yield { rowStart: begin + at, rowEnd: begin + Math.min(at + step, rows), isNewGroup: at === 0 };
    }
    begin += rows;
  }
}

/** A cell as JSON would have it: whole numbers as numbers, lists as arrays, no absent fields of structures. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as Iterable<unknown>, plain);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== null && part !== undefined);
  return Object.fromEntries(entries.map(([name, part]) => [name, plain(part)]));
}

/** The library's errors, for people. */
async function said<T>(file: string, row: number, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== undefined) throw EmlocError.from(error);
    const problem = `cannot be read as Parquet from row ${row} on: ${(error as Error).message}`;
    throw fileError(file, 'BAD_PARQUET', problem, 'download the file again, or write it anew');
  }
}
