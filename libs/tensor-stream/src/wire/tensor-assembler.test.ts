import { expect, test } from 'vitest';
import type { TensorInfo } from '../dtype.ts';
import type { TensorFrame } from './frames.ts';
import { readTensors, TensorAssembler } from './tensor-assembler.ts';
import { writeTensor } from './write-tensor.ts';

const large: TensorInfo = { name: 'large', dtype: 'f32', shape: [600, 1000] };
const largeBytes = Uint8Array.from({ length: 2_400_000 }, (_, i) => (i * 7) & 255);
const scalar: TensorInfo = { name: 'one', dtype: 'i64', shape: [] };
const empty: TensorInfo = { name: 'none', dtype: 'bool', shape: [0] };

test('tensors come out of a stream as they went in, in chunks of at most 1 MiB', async () => {
  const frames = [
    ...writeTensor(large, largeBytes),
    ...writeTensor(scalar, new Uint8Array(8).fill(3)),
    ...writeTensor(empty, new Uint8Array(0)),
  ];
  expect(frames.filter((f) => f.chunk).map((f) => f.chunk!.data.length)).toEqual([
    1048576, 1048576, 302848, 8,
  ]);
  const tensors = [];
  for await (const tensor of readTensors(frames)) tensors.push(tensor);
  expect(tensors.map((t) => t.info)).toEqual([large, scalar, empty]);
  expect(Buffer.compare(tensors[0]!.bytes, largeBytes)).toBe(0);
  expect(tensors[1]!.bytes.byteOffset % 8).toBe(0);
});

test('pieces may end anywhere; the checksum is that of zlib', () => {
  const frames = [
    ...writeTensor({ name: 'x', dtype: 'u8', shape: [9] }, [Buffer.from('1234'), Buffer.from('56789')]),
  ];
  expect(frames.at(-1)).toEqual({ end: { crc32: 0xcbf43926 } });
});

test('bytes that do not fit the shape are refused by the sender', () => {
  expect(() => [...writeTensor(scalar, new Uint8Array(7))]).toThrow(/8 bytes, but 7/);
});

const header = (change: object): TensorFrame => ({
  header: { name: 'x', dtype: 'D_TYPE_U8', shape: [4], byteLength: 4, ...change },
});
const chunk = (n: number): TensorFrame => ({ chunk: { data: new Uint8Array(n) } });
const refusals: [string, TensorFrame[], object][] = [
  ['a chunk before a header', [chunk(1)], { reason: 'FRAME_ORDER' }],
  ['an end before a header', [{ end: { crc32: 0 } }], { reason: 'FRAME_ORDER' }],
  ['a header inside a tensor', [header({}), header({})], { reason: 'FRAME_ORDER' }],
  ['an empty frame', [{}], { reason: 'EMPTY_FRAME' }],
  ['too many bytes', [header({}), chunk(5)], { code: 'DATA_LOSS', reason: 'TOO_MANY_BYTES' }],
  [
    'too few bytes',
    [header({}), chunk(3), { end: { crc32: 0 } }],
    { code: 'DATA_LOSS', reason: 'TENSOR_CUT_SHORT' },
  ],
  [
    'a wrong checksum',
    [header({}), chunk(4), { end: { crc32: 1 } }],
    { code: 'DATA_LOSS', reason: 'CHECKSUM_MISMATCH' },
  ],
  ['an empty chunk', [header({}), chunk(0)], { reason: 'CHUNK_SIZE' }],
  [
    'a chunk over the limit',
    [header({ shape: [2 ** 21], byteLength: 2 ** 21 }), chunk(2 ** 20 + 1)],
    { reason: 'CHUNK_SIZE' },
  ],
  ['a name over the limit', [header({ name: 'x'.repeat(513) })], { reason: 'BAD_TENSOR_NAME' }],
  ['no name', [header({ name: '' })], { reason: 'BAD_TENSOR_NAME' }],
  ['no dtype', [header({ dtype: 'D_TYPE_UNSPECIFIED' })], { reason: 'BAD_DTYPE' }],
  ['too many axes', [header({ shape: Array(9).fill(1), byteLength: 1 })], { reason: 'BAD_SHAPE' }],
  ['a negative axis', [header({ shape: [-1] })], { reason: 'BAD_SHAPE' }],
  ['a lying length', [header({ byteLength: 5 })], { reason: 'WRONG_BYTE_LENGTH' }],
  ['more than is allowed', [header({ shape: [101], byteLength: 101 })], { code: 'RESOURCE_EXHAUSTED' }],
  [
    'a shape whose product is no number',
    [header({ shape: Array(8).fill(2 ** 50), byteLength: 4 })],
    { reason: 'WRONG_BYTE_LENGTH' },
  ],
];

test.each(refusals)('%s is refused', (what, frames, error) => {
  const assembler = new TensorAssembler(what === 'more than is allowed' ? { maxTensorBytes: 100 } : {});
  const pushAll = (): void => frames.forEach((frame) => assembler.push(frame));
  let thrown: unknown;
  try {
    pushAll();
  } catch (e) {
    thrown = e;
  }
  expect(thrown).toMatchObject({ name: 'EmlocError', field: expect.any(String), ...error });
});

test('a stream that ends inside a tensor is told', async () => {
  const frames = [header({}), chunk(2)];
  await expect(readTensors(frames).next()).rejects.toMatchObject({
    code: 'DATA_LOSS',
    field: 'x',
    value: '2',
  });
});
