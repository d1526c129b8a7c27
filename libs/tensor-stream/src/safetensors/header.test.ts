import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readSafetensorsHeader } from './header.ts';
import { readTensorBytes, readTensorChunks } from './read.ts';

const folder = mkdtempSync(join(tmpdir(), 'emloc-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

function file(header: unknown, dataBytes: number, claimedLength?: bigint): string {
  const json = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimedLength ?? BigInt(json.length));
  const path = join(folder, `${count++}.safetensors`);
  writeFileSync(path, Buffer.concat([length, json, Buffer.alloc(dataBytes, 7)]));
  return path;
}

const f32 = (shape: number[], begin: number, end: number): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

test('offsets are told from the start of the file, in the order of the data', () => {
  const read = readSafetensorsHeader(
    file({ __metadata__: { a: 'b' }, y: f32([2], 4, 12), x: f32([], 0, 4) }, 12),
  );
  expect([...read.tensors.keys()]).toEqual(['x', 'y']);
  expect(read.metadata).toEqual({ a: 'b' });
  expect(read.tensors.get('y')).toMatchObject({ dtype: 'f32', shape: [2], end: read.fileBytes });
  expect([...readTensorBytes(read, 'x')]).toEqual([7, 7, 7, 7]);
  expect([...readTensorChunks(read, 'y', 5)].map((c) => c.length)).toEqual([5, 3]);
});

const header = JSON.stringify({ x: f32([1], 0, 4) });
const lies: [string, string, RegExp][] = [
  ['a file of a length alone', file('', 0, 1n), /header of 1 bytes but ends/],
  ['a header longer than the file', file(header, 4, 5000n), /header of 5000 bytes but ends after/],
  ['a header over the limit', file(header, 4, 2n ** 60n), /at most 100000000/],
  ['broken JSON', file('{"x":', 4), /not JSON/],
  ['a header that is a list', file('[]', 0), /not a JSON object/],
  ['text that is not UTF-8', file(Buffer.from([0x7b, 0xff, 0x7d]), 0), /not UTF-8/],
  ['data beyond the file', file({ x: f32([4], 0, 16) }, 12), /x .*cut short/],
  ['bytes of no tensor', file({ x: f32([1], 0, 4) }, 5), /1 bytes that belong to no tensor/],
  ['a gap', file({ x: f32([1], 0, 4), y: f32([1], 6, 10) }, 10), /y .*leaves 2 bytes unused/],
  ['an overlap', file({ x: f32([2], 0, 8), y: f32([1], 4, 8) }, 8), /y .*overlaps/],
  ['a shape of another length', file({ x: f32([3], 0, 8) }, 8), /x .*12 bytes, but its offsets hold 8/],
  ['a negative axis', file({ x: f32([-1, -1], 0, 4) }, 4), /not a list of counts/],
  ['an axis beyond all memory', file({ x: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), /x .*offsets hold 4/],
  [
    'an unknown dtype',
    file({ x: { dtype: 'F8_E4M3', shape: [1], data_offsets: [0, 1] } }, 1),
    /dtype F8_E4M3/,
  ],
  ['offsets that run backwards', file({ x: f32([0], 4, 0) }, 4), /not \[begin, end\]/],
  [
    'a name twice',
    file(
      '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0078" :{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ),
    /x .*twice/,
  ],
  ['metadata that is no text', file({ __metadata__: { a: 1 } }, 0), /metadata a/],
];

test.each(lies)('%s is refused, naming the file or the tensor', (_what, path, message) => {
  expect(() => readSafetensorsHeader(path)).toThrow(message);
  try {
    readSafetensorsHeader(path);
  } catch (error) {
    expect(error).toMatchObject({ name: 'EmlocError', field: expect.any(String), mend: expect.any(String) });
  }
});

test('a file that shrinks after its header was read is told when it is read', () => {
  const path = file({ x: f32([2], 0, 8) }, 8);
  const read = readSafetensorsHeader(path);
  truncateSync(path, read.fileBytes - 2);
  expect(() => readTensorBytes(read, 'x')).toThrow(/ended while x was read/);
  expect(() => readTensorBytes(read, 'z')).toThrow(/no tensor z/);
});

test('a missing file and a folder are told apart', () => {
  expect(() => readSafetensorsHeader(join(folder, 'none'))).toThrow(/no such file/);
  expect(() => readSafetensorsHeader(folder)).toThrow(/not a file/);
});

test('a key inside a tensor that repeats an outer name is no duplicate', () => {
  const nested = {
    dtype: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
    shape: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
  };
  expect(readSafetensorsHeader(file(nested, 8)).tensors.size).toBe(2);
});
