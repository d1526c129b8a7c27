/** The MLP half of a layer without a gate: down(f(up(x))). */
import { mul, tidy, type Tensor } from '@emloc/engine';
import type { ModelConfig } from '../types.ts';
import type { Activated, Activation } from './activation.ts';
import type { Half } from './parts.ts';

export interface PlainMlpInside {
  /** [N, F] */
  readonly up: Tensor;
  readonly active: Activated;
}

export const plainMlp = <C extends ModelConfig>({
  up,
  down,
  activation,
}: {
  readonly up: string;
  readonly down: string;
  readonly activation: Activation;
}): Half<C, PlainMlpInside> => ({
  forward: (x, { lin }) =>
    tidy(() => {
      const activated = tidy(() => activation.forward(lin.forward(up, x)).y); // [N, F]
      return lin.forward(down, activated);
    }),
  inside: (x, { lin }) =>
    tidy(() => {
      const inner = lin.forward(up, x);
      return { up: inner, active: activation.forward(inner) };
    }),
  output: ({ active }, { lin }) => lin.forward(down, active.y),
  backward: (x, dy, { up: inner, active }, { lin }) =>
    tidy(() => {
      const da = lin.backward(down, active.y, dy); // [N, F]
      active.y.dispose();
      const dUp = mul(da, activation.slope(inner, active));
      for (const t of [da, inner, active.inner]) t.dispose();
      return lin.backward(up, x, dUp);
    }),
});
