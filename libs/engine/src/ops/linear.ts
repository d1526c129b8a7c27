/**
 * The product of a layer's activations with its weights, where the two have different precision: activations are f32,
 * weights lie in the checkpoint's type.
 */
import type { Tensor } from '../tensor.ts';
import { tidy } from '../tidy.ts';
import { cast } from './math.ts';
import { matmul } from './matmul.ts';

/** y[N, out] = x[N, in] · wᵀ, w [out, in]; axes before the last of x are kept. */
export function linear(x: Tensor, w: Tensor): Tensor {
  if (w.dtype === x.dtype) return matmul(x, w, { transposeB: true });
  return tidy(() => matmul(x, cast(w, x.dtype), { transposeB: true }));
}

/** dx[N, in] = dy[N, out] · w */
export function linearBackward(dy: Tensor, w: Tensor): Tensor {
  if (w.dtype === dy.dtype) return matmul(dy, w);
  return tidy(() => matmul(dy, cast(w, dy.dtype)));
}
