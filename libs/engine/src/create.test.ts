import { beforeAll, describe, expect, test } from 'vitest';
import type { DType } from '@emloc/tensor-stream';
import {
  bytesOf,
  scalar,
  startEngine,
  tensor,
  tensorFromBytes,
  toArray,
  toFloat32Array,
  toNumber,
} from './index.ts';

beforeAll(async () => {
  await startEngine();
});

const all: DType[] = ['f64', 'f32', 'f16', 'bf16', 'i64', 'i32', 'i16', 'i8', 'u8', 'bool'];

describe.each(all)('%s', (dtype) => {
  test('numbers go in and come out, and so do their bytes', () => {
    const values = dtype === 'bool' || dtype === 'u8' ? [0, 1, 1, 0, 1, 1] : [0, 1, -2, 3, -4, 5];
    const expected = values;
    using t = tensor(values, [2, 3], dtype);
    expect(t.dtype).toBe(dtype);
    expect(t.shape).toEqual([2, 3]);
    expect(t.size).toBe(6);
    expect(toArray(t)).toEqual(expected);
    const bytes = bytesOf(t);
    expect(bytes.length).toBe(t.byteLength);
    using again = tensorFromBytes(bytes, [2, 3], dtype);
    expect(toArray(again)).toEqual(expected);
  });

  test('a scalar and an empty tensor have a shape', () => {
    using one = scalar(1, dtype);
    expect(one.shape).toEqual([]);
    expect(toNumber(one)).toBe(1);
    using none = tensor([], [0, 3], dtype);
    expect(none.size).toBe(0);
    expect(toArray(none)).toEqual([]);
  });
});

test('bf16 is rounded to nearest even, as PyTorch does', () => {
  // 1 + 2^-8 lies midway between 1 and 1 + 2^-7; 1 + 3·2^-8 midway between 1 + 2^-7 and 1 + 2^-6.
  using t = tensor([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -3e38], [4], 'bf16');
  const [tie, tieUp, above, low] = toArray(t);
  expect([tie, tieUp, above]).toEqual([1, 1 + 2 ** -6, 1 + 2 ** -7]);
  expect(low).toBeCloseTo(-3e38, -36);
  expect(Array.from(new Uint16Array(bytesOf(t).buffer)).slice(0, 3)).toEqual([0x3f80, 0x3f82, 0x3f81]);
});

test('a typed array is copied: changing it later changes nothing', () => {
  const data = Float32Array.of(1, 2, 3);
  using t = tensor(data);
  data[0] = 9;
  const out = toFloat32Array(t);
  out[1] = 9;
  expect(toArray(t)).toEqual([1, 2, 3]);
});

test('typed arrays of another type are converted, a Uint8Array is raw bytes', () => {
  using converted = tensor(Int32Array.of(1, 2), [2], 'f64');
  expect(toArray(converted)).toEqual([1, 2]);
  using raw = tensor(new Uint8Array(Float32Array.of(0.5, -1).buffer), [2], 'f32');
  expect(toArray(raw)).toEqual([0.5, -1]);
  using big = tensor(BigInt64Array.of(2n ** 40n), [1], 'i64');
  expect(toArray(big)).toEqual([2 ** 40]);
});

test('data that does not fill the shape is refused', () => {
  expect(() => tensor([1, 2, 3], [2, 2])).toThrow('3 elements do not fill a tensor f32[2,2] of 4');
  expect(() => tensorFromBytes(new Uint8Array(3), [1], 'f32')).toThrow('3 bytes do not fill');
});
