/**
 * AdamW (Loshchilov and Hutter, 2019) over ONE flat vector that holds every trained number: a handful of operations
 * a step, however many adapters there are. Decoupled weight decay, bias correction on both moments, epsilon outside
 * the root of the corrected second moment, as PyTorch does it.
 */
import { add, div, mul, sqrt, square, sub, tidy, zerosLike, type Tensor } from '@emloc/engine';

export interface AdamWOptions {
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  readonly weightDecay: number;
}

/** The moments, and how many updates they have seen. The tensors belong to whoever holds the state. */
export interface AdamWState {
  readonly updates: number;
  readonly first: Tensor;
  readonly second: Tensor;
}

export function adamwInit(parameters: Tensor): AdamWState {
  return { updates: 0, first: zerosLike(parameters), second: zerosLike(parameters) };
}

/** One update: new parameters and new state. The arguments are left as they are; dispose them when done. */
export function adamwUpdate(
  parameters: Tensor,
  gradient: Tensor,
  state: AdamWState,
  learningRate: number,
  options: AdamWOptions,
): { parameters: Tensor; state: AdamWState } {
  const { adamBeta1: beta1, adamBeta2: beta2, adamEpsilon, weightDecay } = options;
  const updates = state.updates + 1;
  // Each line in a scope of its own: the vectors are long, and what a line leaves behind would add up.
  const result = tidy(() => {
    const first = tidy(() => add(mul(state.first, beta1), mul(gradient, 1 - beta1)));
    const second = tidy(() => add(mul(state.second, beta2), mul(square(gradient), 1 - beta2)));
    const root = tidy(() => add(div(sqrt(second), Math.sqrt(1 - beta2 ** updates)), adamEpsilon));
    const step = tidy(() => mul(div(first, root), learningRate / (1 - beta1 ** updates)));
    root.dispose();
    const decayed = weightDecay === 0 ? parameters : mul(parameters, 1 - learningRate * weightDecay);
    return { first, second, parameters: sub(decayed, step) };
  });
  return {
    parameters: result.parameters,
    state: { updates, first: result.first, second: result.second },
  };
}

export function disposeAdamW(state: AdamWState): void {
  state.first.dispose();
  state.second.dispose();
}
