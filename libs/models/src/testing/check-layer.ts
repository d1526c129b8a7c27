/** What every architecture's layer is held to. */
import { liveTensors, tensor, tidy } from '@emloc/engine';
import { expect } from 'vitest';
import { makeBatchContext } from '../batch-context.ts';
import { plainLinears } from '../layers/linear.ts';
import type { Linears, ModelOf } from '../types.ts';
import { gradientError, randomNumbers, values } from './fixture.ts';
import { randomLayer } from './tiny-config.ts';

export interface LayerCheck {
  /** Linears that are factored. */
  readonly factored?: readonly string[];
  readonly layer?: number;
  /** Tokens of the sequences. */
  readonly lengths?: readonly number[];
}

/**
 * The largest difference of the layer's backward from finite differences in float64, relative to the gradient. Sees to
 * it that no tensor is left.
 */
export const layerGradientError = (
  model: ModelOf,
  { factored = [], layer = 0, lengths = [5, 5, 3, 1] }: LayerCheck = {},
): number => {
  const { architecture, config } = model;
  const before = liveTensors().count;
  const w = randomLayer(model, factored, layer);
  const batch = makeBatchContext(
    model,
    lengths.map((tokens) => ({ tokens })),
    'f64',
  );
  const context = batch.layer(layer);
  const lin = plainLinears(w);
  const shape = [batch.rows, config.hiddenSize];
  const count = batch.rows * config.hiddenSize;
  const [x, dy] = [randomNumbers(count, 1), randomNumbers(count, 2)];
  const forward = (at: Float64Array): Float64Array =>
    tidy(() => values(architecture.layerForward(tensor(at, shape, 'f64'), w, lin, context, config)));
  const gradient = tidy(() =>
    values(
      architecture.layerBackward(tensor(x, shape, 'f64'), tensor(dy, shape, 'f64'), w, lin, context, config),
    ),
  );
  const error = gradientError(forward, x, dy, gradient);
  batch.dispose();
  w.dispose();
  expect(liveTensors().count).toBe(before);
  return error;
};

/** Each linear gets one backward, with the input that its forward saw; an expert's only if rows come to it. */
export const expectOneBackwardEach = (model: ModelOf, layer = 0): void => {
  const { architecture, config } = model;
  const linears = architecture.linears(config, layer);
  const w = randomLayer(model, [], layer);
  const batch = makeBatchContext(model, [{ tokens: 4 }], 'f64');
  const seen = new Map<string, string>();
  const backwards: string[] = [];
  const plain = plainLinears(w);
  const watching: Linears = {
    forward: (name, x) => {
      seen.set(name, values(x).join());
      return plain.forward(name, x);
    },
    backward: (name, x, dy) => {
      expect(values(x).join()).toBe(seen.get(name));
      expect(dy.shape[1]).toBe(linears.find((l) => l.name === name)!.outFeatures);
      backwards.push(name);
      return plain.backward(name, x, dy);
    },
  };
  tidy(() => {
    const width = config.hiddenSize;
    const x = tensor(randomNumbers(4 * width, 1), [4, width], 'f64');
    const context = batch.layer(layer);
    architecture.layerForward(x, w, watching, context, config);
    architecture.layerBackward(x, x, w, watching, context, config);
  });
  batch.dispose();
  w.dispose();
  const used = linears.filter(({ name, routed }) => routed !== true || seen.has(name));
  expect(backwards.sort()).toEqual(used.map((l) => l.name).sort());
};
