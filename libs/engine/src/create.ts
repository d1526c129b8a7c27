/** Tensors from JavaScript's numbers and bytes, and back. Half precision rounds to nearest even. */
import { EmlocError } from '@emloc/errors';
import { dtypeBytes, elementCount, type DType } from '@emloc/tensor-stream';
import { attr, execute } from './binding/execute.ts';
import { createHandle, deleteHandle, readHandle } from './binding/handles.ts';
import { TF_DTYPE } from './binding/dtypes.ts';
import type { Address } from './binding/libc.ts';
import { Tensor } from './tensor.ts';

export type TypedArray =
  Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array | BigInt64Array;

/** Numbers (`true` counts as 1), elements of a typed array, or a Uint8Array of the raw bytes. */
export type TensorData = readonly number[] | readonly boolean[] | TypedArray;

/** A tensor that holds a copy of the data. Typed arrays of another element type are converted; raw bytes are not. */
export function tensor(
  data: TensorData,
  shape: readonly number[] = [data.length],
  dtype: DType = 'f32',
): Tensor {
  return new Tensor(handleFrom(data, shape, dtype));
}

/** The same, as a handle that the caller owns. */
export function handleFrom(data: TensorData, shape: readonly number[], dtype: DType): Address {
  const expected = elementCount(shape);
  const raw = data instanceof Uint8Array && dtype !== 'u8' && dtype !== 'bool';
  const given = raw ? data.length / dtypeBytes[dtype] : data.length;
  if (given !== expected) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'SHAPE_MISMATCH',
      `${given} elements do not fill a tensor ${dtype}[${shape.join(',')}] of ${expected}`,
    );
  }
  if (raw) return createHandle(TF_DTYPE[dtype], shape, data);
  if (dtype === 'bf16' || dtype === 'f16') {
    return castHandle(createHandle(TF_DTYPE.f32, shape, elements(data, 'f32')), dtype);
  }
  return createHandle(TF_DTYPE[dtype], shape, elements(data, dtype));
}

export const scalar = (value: number, dtype: DType = 'f32'): Tensor => tensor([value], [], dtype);

/** A tensor of the raw little-endian elements, as they stand in a file. */
export const tensorFromBytes = (bytes: Uint8Array, shape: readonly number[], dtype: DType): Tensor => {
  const expected = elementCount(shape) * dtypeBytes[dtype];
  if (bytes.length !== expected) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'SHAPE_MISMATCH',
      `${bytes.length} bytes do not fill a tensor ${dtype}[${shape.join(',')}] of ${expected} bytes`,
    );
  }
  return new Tensor(createHandle(TF_DTYPE[dtype], shape, bytes));
};

/** The raw little-endian elements, copied out. */
export const bytesOf = (t: Tensor): Uint8Array<ArrayBuffer> => readHandle(t.handle);

/** The elements as 32-bit floats, whatever their type. */
export const toFloat32Array = (t: Tensor): Float32Array<ArrayBuffer> =>
  new Float32Array(readAs(t, 'f32').buffer);

/** The elements as 64-bit floats, whatever their type. */
export const toFloat64Array = (t: Tensor): Float64Array<ArrayBuffer> =>
  new Float64Array(readAs(t, 'f64').buffer);

/** The elements as numbers, whatever their type; 64-bit integers beyond 2^53 lose digits. */
export const toArray = (t: Tensor): number[] => Array.from(toFloat64Array(t));

/** The one element of a tensor that has one. */
export function toNumber(t: Tensor): number {
  if (t.size !== 1) {
    throw new EmlocError('INVALID_ARGUMENT', 'SHAPE_MISMATCH', `${t} has ${t.size} elements, not one`);
  }
  return toFloat64Array(t)[0]!;
}

function readAs(t: Tensor, dtype: DType): Uint8Array<ArrayBuffer> {
  if (t.dtype === dtype) return readHandle(t.handle);
  const [cast] = execute('Cast', [t.handle], [attr.type('DstT', dtype)], 1);
  try {
    return readHandle(cast!);
  } finally {
    deleteHandle(cast!);
  }
}

function castHandle(from: Address, dtype: DType): Address {
  try {
    return execute('Cast', [from], [attr.type('DstT', dtype)], 1)[0]!;
  } finally {
    deleteHandle(from);
  }
}

function elements(data: TensorData, dtype: Exclude<DType, 'bf16' | 'f16'>): TypedArray {
  const numbers = data as ArrayLike<number>;
  const of = data instanceof BigInt64Array && dtype !== 'i64' ? Array.from(data, Number) : numbers;
  switch (dtype) {
    case 'f32':
      return data instanceof Float32Array ? data : Float32Array.from(of);
    case 'f64':
      return data instanceof Float64Array ? data : Float64Array.from(of);
    case 'i32':
      return data instanceof Int32Array ? data : Int32Array.from(of);
    case 'i16':
      return data instanceof Int16Array ? data : Int16Array.from(of);
    case 'i8':
      return data instanceof Int8Array ? data : Int8Array.from(of);
    case 'u8':
      return data instanceof Uint8Array ? data : Uint8Array.from(of);
    case 'bool':
      return Uint8Array.from(of, (x) => (x ? 1 : 0));
    case 'i64':
      return data instanceof BigInt64Array ? data : BigInt64Array.from(Array.from(numbers), (x) => BigInt(x));
  }
}
