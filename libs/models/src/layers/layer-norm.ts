/**
 * Layer norm over the last axis (Ba et al. 2016), its forward and backward:
 *   y = w · x̂ + b,  x̂ = (x − μ) · r,  r = 1 / √(mean((x − μ)²) + ε)
 *   dx = r · (g − mean(g) − x̂ · mean(g · x̂)),  g = dy · w
 * Weight and bias are not trained, so they have no gradient.
 */
import { add, mul, rsqrt, square, sub, tidy, type Tensor } from '@emloc/engine';
import type { ModelConfig } from '../types.ts';
import type { Norm, Normed } from './parts.ts';
import { rowMean } from './row-mean.ts';

export interface LayerNormed extends Normed {
  readonly mean: Tensor;
}

/** x [N, D], weight and bias [D]. */
export const layerNorm = (x: Tensor, weight: Tensor, bias: Tensor, eps: number): LayerNormed =>
  tidy(() => {
    const mean = rowMean(x); // [N, 1]
    const centred = sub(x, mean);
    const variance = tidy(() => rowMean(square(centred)));
    const inverse = rsqrt(add(variance, eps));
    return { y: add(mul(mul(centred, inverse), weight), bias), inverse, mean };
  });

/** x, dy [N, D], weight [D] → dx [N, D]. */
export const layerNormBackward = (
  x: Tensor,
  dy: Tensor,
  weight: Tensor,
  { inverse, mean }: Pick<LayerNormed, 'inverse' | 'mean'>,
): Tensor =>
  tidy(() => {
    const g = mul(dy, weight); // [N, D]
    const normed = mul(sub(x, mean), inverse);
    const along = tidy(() => rowMean(mul(g, normed))); // [N, 1]
    return mul(sub(sub(g, rowMean(g)), mul(normed, along)), inverse);
  });

/** As a part of a layer, by the names of its weight and bias: `<name>.weight`, `<name>.bias`. */
export const layerNormOf = <C extends ModelConfig & { readonly layerNormEps: number }>(
  name: string,
): Norm<C> => ({
  forward: (x, weights, { layerNormEps }) =>
    layerNorm(x, weights.tensor(`${name}.weight`), weights.tensor(`${name}.bias`), layerNormEps),
  backward: (x, dy, normed, weights) =>
    layerNormBackward(x, dy, weights.tensor(`${name}.weight`), normed as LayerNormed),
});
