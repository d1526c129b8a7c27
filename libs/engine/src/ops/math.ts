/** Elementwise arithmetic. Operands broadcast; a number stands for a scalar of the other operand's type. */
import type { DType } from '@emloc/tensor-stream';
import { attr } from '../binding/execute.ts';
import type { Tensor } from '../tensor.ts';
import { tidy } from '../tidy.ts';
import { NO_ATTRS, op, operand, scalarInput, type Operand } from './call.ts';
import { broadcast, likeFirst, likeFirstOfList } from './shapes.ts';

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Operand, b: Operand) => Tensor;

const unary =
  (name: string): Unary =>
  (x) =>
    op(name, [x], NO_ATTRS, likeFirst);
const binary =
  (name: string): Binary =>
  (a, b) =>
    op(name, [operand(a, b), operand(b, a)], NO_ATTRS, broadcast);

export const add = binary('AddV2');
export const sub = binary('Sub');
export const mul = binary('Mul');
export const div = binary('RealDiv');
export const pow = binary('Pow');
export const maximum = binary('Maximum');
export const minimum = binary('Minimum');
export const floorMod = binary('FloorMod');
export const squaredDifference = binary('SquaredDifference');

export const greater = binary('Greater');
export const greaterEqual = binary('GreaterEqual');
export const less = binary('Less');
export const lessEqual = binary('LessEqual');
export const equal = binary('Equal');
export const notEqual = binary('NotEqual');
export const logicalAnd = (a: Tensor, b: Tensor): Tensor => op('LogicalAnd', [a, b], NO_ATTRS, broadcast);
export const logicalOr = (a: Tensor, b: Tensor): Tensor => op('LogicalOr', [a, b], NO_ATTRS, broadcast);
export const logicalNot = unary('LogicalNot');
export const isFinite = unary('IsFinite');
export const isNaN = unary('IsNan');

export const neg = unary('Neg');
export const abs = unary('Abs');
export const sign = unary('Sign');
export const square = unary('Square');
export const sqrt = unary('Sqrt');
export const rsqrt = unary('Rsqrt');
export const reciprocal = unary('Reciprocal');
export const exp = unary('Exp');
export const log = unary('Log');
export const log1p = unary('Log1p');
export const sin = unary('Sin');
export const cos = unary('Cos');
export const tanh = unary('Tanh');
export const sigmoid = unary('Sigmoid');
export const erf = unary('Erf');
export const floor = unary('Floor');
export const ceil = unary('Ceil');
export const round = unary('Round');
export const relu = unary('Relu');
export const softplus = unary('Softplus');

/** dy · y · (1 − y), of y = sigmoid(x), in one pass. */
export const sigmoidGradient = (y: Tensor, dy: Tensor): Tensor =>
  op('SigmoidGrad', [y, dy], NO_ATTRS, likeFirst);

/** dy · (1 − y²), of y = tanh(x), in one pass. */
export const tanhGradient = (y: Tensor, dy: Tensor): Tensor => op('TanhGrad', [y, dy], NO_ATTRS, likeFirst);

/** x · sigmoid(x) */
export const silu: Unary = (x) => tidy(() => mul(x, sigmoid(x)));

/** x · Φ(x), exact (`erf`) or by the approximation of Hendrycks & Gimpel (`tanh`). */
export function gelu(x: Tensor, approximate: 'tanh' | 'erf' = 'erf'): Tensor {
  return tidy(() => {
    const bend =
      approximate === 'erf'
        ? erf(mul(x, Math.SQRT1_2))
        : tanh(mul(add(x, mul(mul(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI)));
    return mul(mul(x, 0.5), add(bend, 1));
  });
}

export function clip(x: Tensor, low: number, high: number): Tensor {
  return op('ClipByValue', [x, scalarInput(low, x.dtype), scalarInput(high, x.dtype)], NO_ATTRS, likeFirst);
}

/** Elements of `a` where the condition holds, of `b` elsewhere; broadcasts. */
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor =>
  op('SelectV2', [condition, operand(a, b), operand(b, a)], NO_ATTRS, broadcast);

const castAttrs = new Map<DType, ReturnType<typeof attr.type>[]>();

/** Converts the elements. The result is another tensor even where the type stays. */
export function cast(x: Tensor, dtype: DType): Tensor {
  let attrs = castAttrs.get(dtype);
  if (attrs === undefined) castAttrs.set(dtype, (attrs = [attr.type('DstT', dtype)]));
  return op('Cast', [x], attrs, likeFirst);
}

/** The sum of tensors of one shape. */
export const addN = (list: readonly Tensor[]): Tensor => op('AddN', [list], NO_ATTRS, likeFirstOfList);
