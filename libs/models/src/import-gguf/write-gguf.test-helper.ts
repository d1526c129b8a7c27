/** GGUF files for tests, written by the format's own layout (version 3, little-endian). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../testing/temporary-directory.ts';

export type MetadataEntry =
  | string
  | number
  | boolean
  | { float: number }
  | { floats: readonly number[] }
  | readonly string[]
  | readonly number[];

export interface WrittenTensor {
  readonly name: string;
  /** ggml's number of the type. */
  readonly type: number;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function writeGguf(
  metadata: Readonly<Record<string, MetadataEntry>>,
  tensors: readonly WrittenTensor[],
): string {
  const entries = Object.entries(metadata).map(([key, value]) => Buffer.concat([text(key), entry(value)]));
  let offset = 0;
  const infos = tensors.map(({ name, type, shape, bytes }) => {
    const info = [text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(type), u64(offset)];
    offset = Math.ceil((offset + bytes.length) / 32) * 32;
    return Buffer.concat(info);
  });
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(entries.length),
    ...entries,
    ...infos,
  ]);
  const data = tensors.flatMap(({ bytes }) => [bytes, Buffer.alloc(-bytes.length & 31)]);
  const path = join(temporaryDirectory(), 'model.gguf');
  writeFileSync(path, Buffer.concat([header, Buffer.alloc(-header.length & 31), ...data]));
  return path;
}

function entry(value: MetadataEntry): Buffer {
  if (typeof value === 'string') return Buffer.concat([u32(8), text(value)]);
  if (typeof value === 'boolean') return Buffer.concat([u32(7), Buffer.from([value ? 1 : 0])]);
  if (typeof value === 'number') return Buffer.concat([u32(4), u32(value)]);
  if ('float' in value) return Buffer.concat([u32(6), f32(value.float)]);
  if ('floats' in value)
    return Buffer.concat([u32(9), u32(6), u64(value.floats.length), ...value.floats.map(f32)]);
  const texts = typeof value[0] === 'string';
  const items = value.map((item) => (typeof item === 'string' ? text(item) : u32(item)));
  return Buffer.concat([u32(9), u32(texts ? 8 : 5), u64(value.length), ...items]);
}

const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const f32 = (value: number): Buffer => Buffer.from(Float32Array.of(value).buffer);
