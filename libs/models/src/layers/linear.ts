/**
 * A linear and the way back to its input, full or factored. Weights are frozen, so they have no gradient.
 *   y = W x + b, dx = Wᵀ dy       full, W [out, in], or stored as Wᵀ [in, out]
 *   y = u (v x) + b, dx = vᵀ (uᵀ dy)   factored, u [out, R], v [R, in]
 */
import {
  add,
  linear,
  linearBackward as backward,
  linearTwice,
  linearTwiceBackward,
  tidy,
  type Tensor,
} from '@emloc/engine';
import type { LayerWeights, Linears, LinearWeights } from '../types.ts';

/** x [N, in] → [N, out] */
export const linearForward = (w: LinearWeights, x: Tensor): Tensor => {
  if (w.bias === undefined && w.kind === 'full') return timesWeight(w, x);
  return tidy(() => {
    const y = w.kind === 'full' ? timesWeight(w, x) : linearTwice(x, w.v, w.u);
    return w.bias === undefined ? y : add(y, w.bias);
  });
};

/** dy [N, out] → dx [N, in] */
export const linearBackward = (w: LinearWeights, dy: Tensor): Tensor =>
  w.kind === 'full' ? timesTransposed(w, dy) : tidy(() => linearTwiceBackward(dy, w.v, w.u).dx);

type Full = Extract<LinearWeights, { kind: 'full' }>;

/** x Wᵀ, where W may be stored as its transpose: then forward and backward change places. */
const timesWeight = ({ weight, transposed }: Full, x: Tensor): Tensor =>
  transposed ? backward(x, weight) : linear(x, weight);

const timesTransposed = ({ weight, transposed }: Full, dy: Tensor): Tensor =>
  transposed ? linear(dy, weight) : backward(dy, weight);

/** The linears as they are, without adapters. */
export const plainLinears = (weights: LayerWeights): Linears => ({
  forward: (name, x) => linearForward(weights.linear(name), x),
  backward: (name, _x, dy) => linearBackward(weights.linear(name), dy),
});
