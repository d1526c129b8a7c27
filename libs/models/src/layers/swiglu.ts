/**
 * The gate of the MLP (Shazeer 2020), its forward and backward, σ the logistic function:
 *   a = silu(g) · u,  silu(g) = g · σ(g)
 *   du = da · silu(g),  dg = da · u · (σ + g · σ · (1 − σ))
 */
import { add, mul, rawOp, sigmoid, tidy, type Tensor } from '@emloc/engine';

export interface Gated {
  /** [N, F] */
  readonly activated: Tensor;
  /** σ(g) and silu(g) [N, F], what the backward can reuse. */
  readonly sigma: Tensor;
  readonly silu: Tensor;
}

/** gate, up [N, F] */
export const swiglu = (gate: Tensor, up: Tensor): Gated =>
  tidy(() => {
    const sigma = sigmoid(gate);
    const silu = mul(gate, sigma);
    return { activated: mul(silu, up), sigma, silu };
  });

/** da, gate, up [N, F] → dGate, dUp [N, F]. */
export const swigluBackward = (
  da: Tensor,
  gate: Tensor,
  up: Tensor,
  { sigma, silu }: Pick<Gated, 'sigma' | 'silu'>,
): { dGate: Tensor; dUp: Tensor } =>
  tidy(() => {
    const dUp = mul(da, silu);
    const dSilu = mul(da, up);
    const slope = tidy(() => add(sigma, rawOp('SigmoidGrad', [sigma, gate])[0]!)); // g · σ · (1 − σ) in one pass
    return { dGate: mul(dSilu, slope), dUp };
  });
