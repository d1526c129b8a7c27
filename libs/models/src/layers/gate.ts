/**
 * The gate of an MLP (Shazeer 2020), its forward and backward, f the activation (silu: SwiGLU):
 *   a = f(g) · u
 *   du = da · f(g),  dg = da · u · f'(g)
 */
import { mul, tidy, type Tensor } from '@emloc/engine';
import type { Activated, Activation } from './activation.ts';

export interface Gated {
  /** [N, F] */
  readonly activated: Tensor;
  /** f(g) and what else its backward can reuse [N, F]. */
  readonly gate: Activated;
}

/** gate, up [N, F] */
export const gated = (activation: Activation, gate: Tensor, up: Tensor): Gated =>
  tidy(() => {
    const active = activation.forward(gate);
    return { activated: mul(active.y, up), gate: active };
  });

/** da, gate, up [N, F] → dGate, dUp [N, F]. */
export const gatedBackward = (
  activation: Activation,
  da: Tensor,
  gate: Tensor,
  up: Tensor,
  active: Activated,
): { dGate: Tensor; dUp: Tensor } =>
  tidy(() => {
    const dUp = mul(da, active.y);
    const dActive = mul(da, up);
    return { dGate: mul(dActive, activation.slope(gate, active)), dUp };
  });
