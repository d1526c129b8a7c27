/** Reductions over one axis, some axes, or (left out) all of them. Negative axes count from the last. */
import { attr } from '../binding/execute.ts';
import type { Tensor } from '../tensor.ts';
import { intScalar, intVector, op } from './call.ts';
import { likeFirst, reduced } from './shapes.ts';

export type Axis = number | readonly number[];

type Reduction = (x: Tensor, axis?: Axis, keepDims?: boolean) => Tensor;

const drop = [attr.bool('keep_dims', false)];
const stay = [attr.bool('keep_dims', true)];

export function axesOf(x: Tensor, axis: Axis | undefined): readonly number[] {
  if (axis === undefined) return x.shape.map((_, i) => i);
  return typeof axis === 'number' ? [axis] : axis;
}

const reduction =
  (name: string): Reduction =>
  (x, axis, keepDims = false) => {
    const axes = axesOf(x, axis);
    return op(name, [x, intVector(axes)], keepDims ? stay : drop, () => reduced(x, axes, keepDims));
  };

export const sum = reduction('Sum');
export const mean = reduction('Mean');
export const max = reduction('Max');
export const min = reduction('Min');
export const prod = reduction('Prod');
/** Logical or over booleans. */
export const any = reduction('Any');
/** Logical and over booleans. */
export const all = reduction('All');

const asI32 = [attr.type('output_type', 'i32')];

/** Where the largest element stands along the axis, as i32. */
export const argmax = (x: Tensor, axis = -1): Tensor => op('ArgMax', [x, intScalar(axis)], asI32);
export const argmin = (x: Tensor, axis = -1): Tensor => op('ArgMin', [x, intScalar(axis)], asI32);

const plainSum = [attr.bool('exclusive', false), attr.bool('reverse', false)];

export const cumsum = (x: Tensor, axis = -1): Tensor =>
  op('Cumsum', [x, intScalar(axis)], plainSum, likeFirst);
