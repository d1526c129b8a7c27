/** How ops are called: tensors in, tensors out, each owned by the scope that is open. */
import { EmlocError } from '@emloc/errors';
import type { DType } from '@emloc/tensor-stream';
import { execute, type Attr, type Input } from '../binding/execute.ts';
import { createHandle, deleteHandle } from '../binding/handles.ts';
import { TF_DTYPE } from '../binding/dtypes.ts';
import type { Address } from '../binding/libc.ts';
import { handleFrom } from '../create.ts';
import { isStreaming } from '../streams.ts';
import { Tensor } from '../tensor.ts';
import type { Shape, ShapeRule } from './shapes.ts';

/** An input of an op: a tensor, a constant of the engine's own, or a list where the op takes one. */
export type OpInput = Tensor | Address | readonly Tensor[];

export const NO_ATTRS: readonly Attr[] = [];

const handleOf = (name: string, t: Tensor): Address => {
  if (t.disposed) {
    throw new EmlocError('FAILED_PRECONDITION', 'TENSOR_DISPOSED', `${name}: an input was disposed before`, {
      mend: 'keep(t) it, or return it from its tidy',
    });
  }
  return t.handle;
};

function toInput(name: string, input: OpInput): Input {
  if (typeof input === 'number') return input;
  if (input instanceof Tensor) return handleOf(name, input);
  return input.map((t) => handleOf(name, t));
}

/** Runs an op of one output. Its shape is foreseen where asking for it would wait. */
export function op(
  name: string,
  inputs: readonly OpInput[],
  attrs: readonly Attr[] = NO_ATTRS,
  shape?: ShapeRule,
): Tensor {
  const handles = new Array<Input>(inputs.length);
  for (let i = 0; i < inputs.length; i++) handles[i] = toInput(name, inputs[i]!);
  const handle = execute(name, handles, attrs, 1)[0]!;
  return new Tensor(handle, undefined, isStreaming() ? shape?.(inputs) : undefined);
}

/** The escape hatch: any op of TensorFlow by its name. Type attributes are inferred. */
export function rawOp(
  name: string,
  inputs: readonly OpInput[],
  attrs: readonly Attr[] = NO_ATTRS,
  outputCount = 1,
  shapes?: () => readonly Shape[],
): Tensor[] {
  const handles = inputs.map((input) => toInput(name, input));
  const outputs = execute(name, handles, attrs, outputCount);
  const foreseen = isStreaming() ? shapes?.() : undefined;
  return outputs.map((handle, i) => new Tensor(handle, undefined, foreseen?.[i]));
}

/** A number in place of a tensor stands for a scalar of the other operand's type. */
export type Operand = Tensor | number;

/**
 * Constants that ops take again and again (axes, shapes, permutations, factors) are made once and kept. Two
 * generations bound how many: when the younger is full the older ends, so what was just handed out stays valid.
 */
const GENERATION = 2048;
let young = new Map<string, Address>();
let old = new Map<string, Address>();

function constant(key: string, make: () => Address): Address {
  let handle = young.get(key);
  if (handle !== undefined) return handle;
  handle = old.get(key);
  if (handle === undefined) handle = make();
  else old.delete(key);
  if (young.size >= GENERATION) {
    for (const unused of old.values()) deleteHandle(unused);
    old = young;
    young = new Map();
  }
  young.set(key, handle);
  return handle;
}

/** A vector of 32-bit integers: a shape, a permutation, axes. */
export const intVector = (values: readonly number[]): Address =>
  constant(`v${values.join(',')}`, () =>
    createHandle(TF_DTYPE.i32, [values.length], Int32Array.from(values)),
  );

/** One 32-bit integer: an axis, a depth. */
export const intScalar = (value: number): Address =>
  constant(`s${value}`, () => createHandle(TF_DTYPE.i32, [], Int32Array.of(value)));

/** A scalar of any type, as an input of an op. */
export const scalarInput = (value: number, dtype: DType): Address =>
  constant(`${dtype}:${value}`, () => handleFrom([value], [], dtype));

/** A number beside a tensor becomes a scalar of its type. */
export const operand = (value: Operand, beside: Operand): OpInput =>
  typeof value === 'number' ? scalarInput(value, typeof beside === 'number' ? 'f32' : beside.dtype) : value;
