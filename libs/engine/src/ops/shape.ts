/** Shapes and places: what moves or picks elements and computes nothing. */
import type { DType } from '@emloc/tensor-stream';
import { attr } from '../binding/execute.ts';
import { tensor } from '../create.ts';
import type { Tensor } from '../tensor.ts';
import { intScalar, intVector, NO_ATTRS, op, rawOp, scalarInput } from './call.ts';
import { concatenated, likeFirst, parted, reshaped, sliced, type Shape } from './shapes.ts';

/** The same elements in another shape; one length may be -1. Shares memory. */
export const reshape = (x: Tensor, shape: readonly number[]): Tensor =>
  op('Reshape', [x, intVector(shape)], NO_ATTRS, () => reshaped(x, shape));

export const expandDims = (x: Tensor, axis: number): Tensor => op('ExpandDims', [x, intScalar(axis)]);

/** Without the axes of length 1, or without those given. */
export const squeeze = (x: Tensor, axes: readonly number[] = []): Tensor =>
  op('Squeeze', [x], [attr.ints('squeeze_dims', axes)]);

/** Axes in another order; left out: reversed. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const order = permutation ?? x.shape.map((_, i) => x.shape.length - 1 - i);
  return op('Transpose', [x, intVector(order)], NO_ATTRS, () => order.map((axis) => x.shape[axis]!));
}

export function concat(list: readonly Tensor[], axis = 0): Tensor {
  if (list.length === 1) return identity(list[0]!);
  return op('ConcatV2', [list, intScalar(axis)], NO_ATTRS, () => concatenated(list, axis));
}

export const stack = (list: readonly Tensor[], axis = 0): Tensor =>
  op('Pack', [list], [attr.int('axis', axis)]);

/** Equal parts (a count), or parts of the given lengths. */
export function split(x: Tensor, parts: number | readonly number[], axis = 0): Tensor[] {
  const shapes = (): readonly Shape[] => parted(x, parts, axis);
  if (typeof parts === 'number') {
    return rawOp('Split', [intScalar(axis), x], [attr.int('num_split', parts)], parts, shapes);
  }
  return rawOp(
    'SplitV',
    [x, intVector(parts), intScalar(axis)],
    [attr.int('num_split', parts.length)],
    parts.length,
    shapes,
  );
}

/** From `begin`, `size` elements along each axis; a size of -1 is the rest. */
export const slice = (x: Tensor, begin: readonly number[], size: readonly number[]): Tensor =>
  op('Slice', [x, intVector(begin), intVector(size)], NO_ATTRS, () => sliced(x, begin, size));

/** Rows (or other slices along `axis`) by number. */
export const gather = (x: Tensor, indices: Tensor, axis = 0): Tensor =>
  op('GatherV2', [x, indices, intScalar(axis)], [noBatch], () =>
    x.shape.toSpliced(axis, 1, ...indices.shape),
  );

const noBatch = attr.int('batch_dims', 0);

/** out[i] = the sum of the rows of `x` whose segment is i; the gradient of `gather` on axis 0. */
export const unsortedSegmentSum = (x: Tensor, segments: Tensor, count: number): Tensor =>
  op('UnsortedSegmentSum', [x, segments, intScalar(count)]);

/** A copy of `x` with `updates[i]` added to row `indices[i]`; rows named twice get both. */
export function scatterAdd(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const [column] = rawOp('ExpandDims', [indices, intScalar(-1)]);
  try {
    return op('TensorScatterAdd', [x, column!, updates]);
  } finally {
    column!.dispose();
  }
}

export const tile = (x: Tensor, repeats: readonly number[]): Tensor =>
  op('Tile', [x, intVector(repeats)], NO_ATTRS, () => x.shape.map((length, i) => length * repeats[i]!));

export const broadcastTo = (x: Tensor, shape: readonly number[]): Tensor =>
  op('BroadcastTo', [x, intVector(shape)], NO_ATTRS, () => shape);

/** Fills around: [before, after] for each axis. */
export function pad(x: Tensor, paddings: readonly (readonly [number, number])[], value = 0): Tensor {
  using table = tensor(paddings.flat(), [paddings.length, 2], 'i32');
  return op('PadV2', [x, table, scalarInput(value, x.dtype)]);
}

export const reverse = (x: Tensor, axes: readonly number[]): Tensor =>
  op('ReverseV2', [x, intVector(axes)], NO_ATTRS, likeFirst);

/** The same tensor under another owner. Shares memory. */
export const identity = (x: Tensor): Tensor => op('Identity', [x], NO_ATTRS, likeFirst);

export const fill = (shape: readonly number[], value: number, dtype: DType = 'f32'): Tensor =>
  op('Fill', [intVector(shape), scalarInput(value, dtype)], NO_ATTRS, () => shape);
export const zeros = (shape: readonly number[], dtype: DType = 'f32'): Tensor => fill(shape, 0, dtype);
export const ones = (shape: readonly number[], dtype: DType = 'f32'): Tensor => fill(shape, 1, dtype);
export const zerosLike = (x: Tensor): Tensor => op('ZerosLike', [x], NO_ATTRS, likeFirst);
export const onesLike = (x: Tensor): Tensor => op('OnesLike', [x], NO_ATTRS, likeFirst);

/** start, start + step, … below (or above) stop. */
export const range = (start: number, stop: number, step = 1, dtype: DType = 'i32'): Tensor =>
  op('Range', [scalarInput(start, dtype), scalarInput(stop, dtype), scalarInput(step, dtype)]);

export const linspace = (start: number, stop: number, count: number, dtype: DType = 'f32'): Tensor =>
  op('LinSpace', [scalarInput(start, dtype), scalarInput(stop, dtype), intScalar(count)]);

export function eye(size: number, dtype: DType = 'f32'): Tensor {
  using diagonal = ones([size], dtype);
  return diag(diagonal);
}

/** A matrix with this vector on its diagonal. */
export const diag = (x: Tensor): Tensor => op('MatrixDiag', [x]);

/** The diagonal of a matrix (or of each of a stack). */
export const diagPart = (x: Tensor): Tensor => op('MatrixDiagPart', [x]);

/** The matrix without what lies more than `lower` below or `upper` above the diagonal; -1 leaves that side whole. */
export const bandPart = (x: Tensor, lower: number, upper: number): Tensor =>
  op('MatrixBandPart', [x, intScalar(lower), intScalar(upper)]);
export const triu = (x: Tensor): Tensor => bandPart(x, 0, -1);
export const tril = (x: Tensor): Tensor => bandPart(x, -1, 0);

export const oneHot = (indices: Tensor, depth: number, dtype: DType = 'f32'): Tensor =>
  op('OneHot', [indices, intScalar(depth), scalarInput(1, dtype), scalarInput(0, dtype)]);

/** The k largest along the last axis, in falling order, and where they stand (i32). */
export function topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const [values, indices] = rawOp('TopKV2', [x, intScalar(k)], [attr.bool('sorted', true)], 2);
  return { values: values!, indices: indices! };
}
