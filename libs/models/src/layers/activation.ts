/**
 * Activations, forward and backward; σ is the logistic function:
 *   silu  y = x · σ(x)                                    y' = σ + x · σ · (1 − σ)
 *   gelu  y = ½ x (1 + t), t = tanh(√(2/π) (x + c x³))    y' = ½ (1 + t) + ½ x (1 − t²) √(2/π) (1 + 3 c x²), c = 0.044715
 * (The latter is what Hugging Face calls gelu_new and gelu_pytorch_tanh.)
 */
import {
  add,
  mul,
  sigmoid,
  sigmoidGradient,
  square,
  tanh,
  tanhGradient,
  tidy,
  type Tensor,
} from '@emloc/engine';

export interface Activated {
  readonly y: Tensor;
  /** σ or t, what the backward can reuse. */
  readonly inner: Tensor;
}

export interface Activation {
  forward(x: Tensor): Activated;
  /** The derivative at x. */
  slope(x: Tensor, activated: Pick<Activated, 'inner'>): Tensor;
}

export const silu: Activation = {
  forward: (x) =>
    tidy(() => {
      const inner = sigmoid(x);
      return { y: mul(x, inner), inner };
    }),
  slope: (x, { inner }) => tidy(() => add(inner, sigmoidGradient(inner, x))), // x · σ · (1 − σ) in one pass
};

const ROOT = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** Each step ends what it needs no more: of a wide input, what lives at the same time is what counts. */
export const geluTanh: Activation = {
  forward: (x) =>
    tidy(() => {
      const inner = tidy(() => tanh(mul(x, quadratic(x, ROOT * CUBIC))));
      return { y: mul(mul(x, 0.5), add(inner, 1)), inner };
    }),
  slope: (x, { inner }) =>
    tidy(() => {
      // The argument of the tanh has the derivative √(2/π) (1 + 3 c x²).
      const inside = tidy(() =>
        mul(
          tanhGradient(
            inner,
            tidy(() => mul(x, quadratic(x, 3 * ROOT * CUBIC))),
          ),
          0.5,
        ),
      );
      const half = tidy(() => mul(add(inner, 1), 0.5));
      return add(inside, half);
    }),
};

/** √(2/π) + factor · x² */
const quadratic = (x: Tensor, factor: number): Tensor => tidy(() => add(mul(square(x), factor), ROOT));
