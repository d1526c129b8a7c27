/**
 * The product of a layer's activations with its weights where the two differ in precision: activations are f32,
 * weights lie in the checkpoint's own type.
 *
 * Where the processor multiplies bf16 itself, activations are rounded to bf16 for the call. Elsewhere the weights are
 * cast to f32 for it, a block of rows at a time, so that the copy stays small beside the weights.
 */
import { halfPrecision } from '../half-precision.ts';
import type { Tensor } from '../tensor.ts';
import { tidy } from '../tidy.ts';
import { add, cast } from './math.ts';
import { matmul } from './matmul.ts';
import { concat, slice } from './shape.ts';

/** The largest copy of weights in f32. */
const CAST_BYTES = 64 * 2 ** 20;

const rowsAtOnce = (w: Tensor): number => Math.max(1, Math.floor(CAST_BYTES / (4 * w.shape[1]!)));

const multipliesNatively = (x: Tensor, w: Tensor): boolean =>
  x.dtype === 'f32' && w.dtype === 'bf16' && halfPrecision() === 'native';

/** y[…, out] = x[…, in] · wᵀ with w [out, in]; y has the element type of x. */
export function linear(x: Tensor, w: Tensor): Tensor {
  if (w.dtype === x.dtype) return matmul(x, w, { transposeB: true });
  return tidy(() => {
    if (multipliesNatively(x, w)) return cast(matmul(cast(x, w.dtype), w, { transposeB: true }), x.dtype);
    const blocks = castBlocks(w, x, (block) => matmul(x, block, { transposeB: true }));
    return blocks.length === 1 ? blocks[0]! : concat(blocks, x.rank - 1);
  });
}

/** dx[…, in] = dy[…, out] · w with w [out, in]: the gradient of `linear` for its input. */
export function linearBackward(dy: Tensor, w: Tensor): Tensor {
  if (w.dtype === dy.dtype) return matmul(dy, w);
  return tidy(() => {
    if (multipliesNatively(dy, w)) return cast(matmul(cast(dy, w.dtype), w), dy.dtype);
    const whole = w.shape[0]! <= rowsAtOnce(w);
    const parts = castBlocks(w, dy, (block, row) =>
      matmul(whole ? dy : columns(dy, row, block.shape[0]!), block),
    );
    return parts.reduce((sum, part) => tidy(() => add(sum, part)));
  });
}

/**
 * Two linears, one after the other: x[…, in] · vᵀ · uᵀ with v [r, in], u [out, r]. The same numbers as `linear` twice;
 * what is between them stays in bf16 where the processor multiplies that, since it is rounded to it either way.
 */
export function linearTwice(x: Tensor, v: Tensor, u: Tensor): Tensor {
  return tidy(() => {
    if (!multipliesNatively(x, v) || u.dtype !== v.dtype) return linear(linear(x, v), u);
    const between = matmul(cast(x, v.dtype), v, { transposeB: true });
    return cast(matmul(between, u, { transposeB: true }), x.dtype);
  });
}

export interface TwiceBackward {
  /** [N, in], of dy's element type. */
  readonly dx: Tensor;
  /** Of what is between the two [N, r], of the element type that it was multiplied in. */
  readonly dBetween: Tensor;
}

/** Gradients of `linearTwice` for its input, and for what is between: dy[N, out] · u · v. */
export function linearTwiceBackward(dy: Tensor, v: Tensor, u: Tensor): TwiceBackward {
  return tidy(() => {
    if (!multipliesNatively(dy, v) || u.dtype !== v.dtype) {
      const dBetween = linearBackward(dy, u);
      return { dBetween, dx: linearBackward(dBetween, v) };
    }
    const dBetween = matmul(cast(dy, u.dtype), u);
    return { dBetween, dx: cast(matmul(dBetween, v), dy.dtype) };
  });
}

/** What `use` makes of each block of rows of w, cast to the type of `like`; the cast block ends with the call. */
function castBlocks(w: Tensor, like: Tensor, use: (block: Tensor, row: number) => Tensor): Tensor[] {
  const rows = w.shape[0]!;
  const step = rowsAtOnce(w);
  const results: Tensor[] = [];
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    results.push(
      tidy(() => use(cast(count === rows ? w : slice(w, [row, 0], [count, -1]), like.dtype), row)),
    );
  }
  return results;
}

const columns = (x: Tensor, begin: number, count: number): Tensor =>
  slice(
    x,
    x.shape.map((_, axis) => (axis === x.rank - 1 ? begin : 0)),
    x.shape.map((_, axis) => (axis === x.rank - 1 ? count : -1)),
  );
