/**
 * Shapes of results, foreseen from those of the inputs: a tensor that a stream is still to compute has one at once
 * (streams.ts). Where none is foreseen, TensorFlow is asked, which waits.
 */
import { Tensor } from '../tensor.ts';
import type { OpInput } from './call.ts';

export type Shape = readonly number[];

/** The result's shape, by the op's inputs. */
export type ShapeRule = (inputs: readonly OpInput[]) => Shape;

/** Constants of the engine's own among elementwise inputs are scalars. */
const shapeOf = (input: OpInput | undefined): Shape => (input instanceof Tensor ? input.shape : []);

/** That of the first input. */
export const likeFirst: ShapeRule = ([first]) => shapeOf(first);

/** That of the first of a list. */
export const likeFirstOfList: ShapeRule = ([list]) => (list as readonly Tensor[])[0]!.shape;

/** All inputs broadcast together. */
export const broadcast: ShapeRule = (inputs) => inputs.map(shapeOf).reduce(together);

const together = (a: Shape, b: Shape): Shape => {
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, i: number): number => shape[i - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, i) => (at(a, i) === 1 ? at(b, i) : at(a, i)));
};

/** An axis that may count from the last, as one that counts from the first. */
const fromFirst = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** A shape in which one length may be -1. */
export const reshaped = (x: Tensor, shape: Shape): Shape => {
  const known = shape.reduce((product, length) => (length === -1 ? product : product * length), 1);
  return shape.map((length) => (length === -1 ? x.size / known : length));
};

/** A size of -1 is the rest. */
export const sliced = (x: Tensor, begin: Shape, size: Shape): Shape =>
  size.map((length, axis) => (length === -1 ? x.shape[axis]! - begin[axis]! : length));

export const concatenated = (list: readonly Tensor[], axis: number): Shape => {
  const first = list[0]!.shape;
  const along = fromFirst(axis, first.length);
  const total = list.reduce((sum, { shape }) => sum + shape[along]!, 0);
  return first.map((length, i) => (i === along ? total : length));
};

/** Parts of so many elements along the axis, or so many equal ones. */
export const parted = (x: Tensor, parts: number | readonly number[], axis: number): readonly Shape[] => {
  const along = fromFirst(axis, x.rank);
  const lengths = typeof parts === 'number' ? new Array<number>(parts).fill(x.shape[along]! / parts) : parts;
  return lengths.map((part) => x.shape.map((length, i) => (i === along ? part : length)));
};

/** Without the axes, or with length 1 there. */
export const reduced = (x: Tensor, axes: readonly number[], keepDims: boolean): Shape => {
  const gone = new Set(axes.map((axis) => fromFirst(axis, x.rank)));
  return keepDims
    ? x.shape.map((length, i) => (gone.has(i) ? 1 : length))
    : x.shape.filter((_, i) => !gone.has(i));
};

/** Of the product of two stacks of matrices. */
export const multiplied = (a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Shape => {
  const [rows, columns] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
  return [...together(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns];
};
