/**
 * Root-mean-square norm over the last axis (Zhang & Sennrich 2019), its forward and backward:
 *   y = w · x · r,  r = 1 / √(mean(x²) + ε)
 *   dx = r · (g − x · r² · mean(g · x)),  g = dy · w
 * The weight is not trained, so it has no gradient. Gemma stores w − 1.
 */
import { add, mul, rsqrt, square, sub, tidy, type Tensor } from '@emloc/engine';
import type { ModelConfig } from '../types.ts';
import type { Norm } from './parts.ts';
import { rowMean } from './row-mean.ts';

export interface RmsNormed {
  /** [N, D] */
  readonly y: Tensor;
  /** r [N, 1], what the backward can reuse. */
  readonly inverse: Tensor;
}

/** x [N, D], weight [D]; with `plusOne` the weight is stored less 1. */
export const rmsNorm = (x: Tensor, weight: Tensor, eps: number, plusOne = false): RmsNormed =>
  tidy(() => {
    const meanSquare = tidy(() => rowMean(square(x))); // [N, 1]
    const inverse = rsqrt(add(meanSquare, eps));
    const normed = mul(x, inverse); // [N, D]
    return { y: mul(normed, plusOne ? add(weight, 1) : weight), inverse };
  });

/** x, dy [N, D], weight [D], inverse [N, 1] → dx [N, D]. */
export const rmsNormBackward = (
  x: Tensor,
  dy: Tensor,
  weight: Tensor,
  inverse: Tensor,
  plusOne = false,
): Tensor =>
  tidy(() => {
    const g = mul(dy, plusOne ? add(weight, 1) : weight); // [N, D]
    const meanGx = tidy(() => rowMean(mul(g, x))); // [N, 1]
    const coefficient = mul(meanGx, square(inverse));
    const inner = tidy(() => sub(g, mul(x, coefficient)));
    return mul(inner, inverse);
  });

/** As a part of a layer, by the name of its weight. */
export const rmsNormOf = <C extends ModelConfig & { readonly rmsNormEps: number }>(
  name: string,
  plusOne = false,
): Norm<C> => ({
  forward: (x, weights, { rmsNormEps }) => rmsNorm(x, weights.tensor(name), rmsNormEps, plusOne),
  backward: (x, dy, { inverse }, weights) => rmsNormBackward(x, dy, weights.tensor(name), inverse, plusOne),
});
