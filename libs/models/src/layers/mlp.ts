/** The MLP half of a layer, gated: down(f(gate(x)) · up(x)). */
import { add, concat, split, tidy, type Tensor } from '@emloc/engine';
import type { Linears, ModelConfig } from '../types.ts';
import type { Activation } from './activation.ts';
import { gated, gatedBackward, type Gated } from './gate.ts';
import type { Half } from './parts.ts';

/** [N, F] each. */
interface GateAndUp {
  readonly gate: Tensor;
  readonly up: Tensor;
}

/** How gate and up come from the normed input, and its gradient from theirs. */
export interface GateProjections {
  forward(x: Tensor, lin: Linears): GateAndUp;
  backward(x: Tensor, d: GateAndUp, lin: Linears): Tensor;
}

/** A linear for each. */
export const separateGate = (gate: string, up: string): GateProjections => ({
  forward: (x, lin) => ({ gate: lin.forward(gate, x), up: lin.forward(up, x) }),
  backward: (x, d, lin) => tidy(() => add(lin.backward(gate, x, d.gate), lin.backward(up, x, d.up))),
});

/** One linear whose outputs are the gate's, then up's. */
export const fusedGate = (name: string): GateProjections => ({
  forward: (x, lin) =>
    tidy(() => {
      const [gate, up] = split(lin.forward(name, x), 2, 1) as [Tensor, Tensor];
      return { gate, up };
    }),
  backward: (x, d, lin) => tidy(() => lin.backward(name, x, concat([d.gate, d.up], 1))),
});

export interface MlpInside extends GateAndUp {
  readonly gated: Gated;
}

export const gatedMlp = <C extends ModelConfig>({
  projections,
  down,
  activation,
}: {
  readonly projections: GateProjections;
  readonly down: string;
  readonly activation: Activation;
}): Half<C, MlpInside> => ({
  forward: (x, { lin }) =>
    tidy(() => {
      const activated = tidy(() => {
        const { gate, up } = projections.forward(x, lin); // [N, F]
        return gated(activation, gate, up).activated;
      });
      return lin.forward(down, activated);
    }),
  inside: (x, { lin }) =>
    tidy(() => {
      const { gate, up } = projections.forward(x, lin);
      return { gate, up, gated: gated(activation, gate, up) };
    }),
  output: (inside, { lin }) => lin.forward(down, inside.gated.activated),
  backward: (x, dy, { gate, up, gated: { activated, gate: active } }, { lin }) =>
    tidy(() => {
      const da = lin.backward(down, activated, dy); // [N, F]
      activated.dispose();
      const d = gatedBackward(activation, da, gate, up, active);
      for (const t of [da, gate, up, active.y, active.inner]) t.dispose();
      return projections.backward(x, { gate: d.dGate, up: d.dUp }, lin);
    }),
});
