/**
 * The MLP half of a layer with experts: each row goes to K of E gated MLPs,
 *   y = Σⱼ wⱼ · down(f(gate(x)) · up(x)) of its j-th expert
 * Experts run one after the other on their own rows, and what was made of one's weights ends before the next; an expert
 * that no row goes to is not called. Only the routing is kept for the backward, where each expert is recomputed.
 */
import {
  add,
  concat,
  div,
  gather,
  maximum,
  mul,
  reshape,
  sum,
  tensor,
  tidy,
  type Tensor,
} from '@emloc/engine';
import type { ModelConfig } from '../types.ts';
import type { Activation } from './activation.ts';
import { gated, gatedBackward } from './gate.ts';
import type { Half, LayerUse } from './parts.ts';
import { byRow, route, routeBackward, type Routing, type RoutingOptions } from './routing.ts';

export interface ExpertLinears {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

export interface ExpertsInside {
  readonly routing: Routing;
  /** The half's input; not owned. */
  readonly x: Tensor;
}

/** Below this a weight divides nothing: the gradient that reaches the router through it is 0 anyway. */
const TINY = 1e-30;

export const expertsMlp = <C extends ModelConfig>({
  router,
  linears,
  activation,
  routing: optionsOf,
}: {
  /** Name of the router's matrix [E, D]. */
  readonly router: string;
  readonly linears: (expert: number) => ExpertLinears;
  readonly activation: Activation;
  readonly routing: (config: C) => RoutingOptions;
}): Half<C, ExpertsInside> => {
  /** Calls `run` for each expert that has rows, with the rows' numbers and its places; joins what comes out. */
  const eachExpert = (
    { places, weights }: Routing,
    { w }: LayerUse<C>,
    run: (names: ExpertLinears, rows: Tensor, own: Tensor) => readonly Tensor[],
  ): Tensor[] => {
    const perRow = weights.shape[1]!;
    const parts: (readonly Tensor[])[] = [];
    places.forEach((own, expert) => {
      if (own.length === 0) return;
      const part = w.scoped(() =>
        tidy(() => {
          const index = (numbers: Int32Array): Tensor => tensor(numbers, [numbers.length], 'i32');
          const rows = own.map((place) => Math.floor(place / perRow));
          return run(linears(expert), index(rows), index(own));
        }),
      );
      parts.push(part);
    });
    return parts[0]!.map((_, i) =>
      concat(
        parts.map((part) => part[i]!),
        0,
      ),
    );
  };

  const forward = (x: Tensor, routing: Routing, use: LayerUse<C>): Tensor =>
    tidy(() => {
      const [outputs] = eachExpert(routing, use, (names, rows) => {
        const input = gather(x, rows);
        const activated = tidy(() => {
          const gate = use.lin.forward(names.gate, input); // [n, F]
          return gated(activation, gate, use.lin.forward(names.up, input)).activated;
        });
        return [use.lin.forward(names.down, activated)]; // [n, D]
      });
      return sum(mul(byRow(outputs!, routing), asColumn(routing.weights)), 1);
    });

  return {
    forward: (x, use) => tidy(() => forward(x, route(x, use.w.tensor(router), optionsOf(use.config)), use)),
    inside: (x, { w, config }) => ({ routing: route(x, w.tensor(router), optionsOf(config)), x }),
    output: ({ routing, x }, use) => forward(x, routing, use),
    backward: (x, dy, { routing }, use) =>
      tidy(() => {
        const { lin, w, config } = use;
        const flat = reshape(routing.weights, [-1, 1]); // [N·K, 1]
        const [dInputs, dWeights] = eachExpert(routing, use, (names, rows, own) => {
          const input = gather(x, rows);
          const weight = gather(flat, own); // [n, 1]
          const { dGate, dUp, dWeight } = tidy(() => {
            const gate = lin.forward(names.gate, input);
            const up = lin.forward(names.up, input);
            const { activated, gate: active } = gated(activation, gate, up);
            const da = lin.backward(names.down, activated, mul(gather(dy, rows), weight)); // [n, F]
            // down has no bias, so what it gives along dy is what goes into it along da.
            const along = sum(mul(activated, da), -1, true);
            return {
              ...gatedBackward(activation, da, gate, up, active),
              dWeight: div(along, maximum(weight, TINY)),
            };
          });
          const back = add(lin.backward(names.gate, input, dGate), lin.backward(names.up, input, dUp));
          return [back, dWeight];
        });
        const fromExperts = sum(byRow(dInputs!, routing), 1);
        const dw = reshape(byRow(dWeights!, routing), routing.weights.shape);
        return add(fromExperts, routeBackward(dw, routing, w.tensor(router), optionsOf(config)));
      }),
  };
};

/** [N, K] → [N, K, 1] */
const asColumn = (t: Tensor): Tensor => reshape(t, [...t.shape, 1]);
