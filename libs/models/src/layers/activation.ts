/**
 * Activations, forward and backward; σ is the logistic function:
 *   silu  y = x · σ(x)                                    y' = σ + x · σ · (1 − σ)
 *   gelu  y = ½ x (1 + t), t = tanh(√(2/π) (x + c x³))    y' = ½ (1 + t) + ½ x (1 − t²) √(2/π) (1 + 3 c x²), c = 0.044715
 * (The latter is what Hugging Face calls gelu_new and gelu_pytorch_tanh.)
 */
import { add, mul, rawOp, sigmoid, square, tanh, tidy, type Tensor } from '@emloc/engine';

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
  slope: (x, { inner }) => tidy(() => add(inner, rawOp('SigmoidGrad', [inner, x])[0]!)), // x · σ · (1 − σ) in one pass
};

const ROOT = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

export const geluTanh: Activation = {
  forward: (x) =>
    tidy(() => {
      const inner = tanh(mul(x, add(mul(square(x), ROOT * CUBIC), ROOT)));
      return { y: mul(mul(x, 0.5), add(inner, 1)), inner };
    }),
  slope: (x, { inner }) =>
    tidy(() => {
      const argument = add(mul(square(x), 3 * ROOT * CUBIC), ROOT); // of the tanh, its derivative
      const inside = mul(rawOp('TanhGrad', [inner, mul(x, argument)])[0]!, 0.5);
      return add(inside, mul(add(inner, 1), 0.5));
    }),
};
