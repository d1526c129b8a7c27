import { liveTensors, startEngine, tensor, tidy } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeBatchContext } from '../../batch.ts';
import { plainLinears } from '../../layers/linear.ts';
import { gradientError, randomNumbers, values } from '../../testing/fixture.ts';
import { randomLayer, tinyConfig } from '../../testing/tiny-config.ts';
import type { Linears } from '../../types.ts';
import { llama } from './index.ts';

beforeAll(() => startEngine());

const llama3 = {
  rope_type: 'llama3',
  rope_theta: 10000,
  factor: 4,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

const cases: [string, Record<string, unknown>, readonly string[]][] = [
  ['grouped key-value heads', {}, []],
  ['one key-value head a head', { num_key_value_heads: 4 }, []],
  ['one key-value head for all', { num_key_value_heads: 1 }, []],
  ['biases', { attention_bias: true, mlp_bias: true }, []],
  ['a head size of its own', { head_dim: 6 }, []],
  ['llama3 scaling', { rope_parameters: llama3 }, []],
  ['factored linears', {}, ['self_attn.q_proj', 'self_attn.o_proj', 'mlp.up_proj', 'mlp.down_proj']],
];

describe.each(cases)('a layer with %s', (_, changes, factored) => {
  test('has a backward that agrees with finite differences', () => {
    const config = tinyConfig(changes);
    const before = liveTensors().count;
    const w = randomLayer(config, factored);
    const context = makeBatchContext(
      config,
      [5, 5, 3, 1].map((tokens) => ({ tokens })),
      'f64',
    );
    const lin = plainLinears(w);
    const shape = [14, 32];
    const x = randomNumbers(14 * 32, 1);
    const dy = randomNumbers(14 * 32, 2);
    const forward = (at: Float64Array): Float64Array =>
      tidy(() => values(llama.layerForward(tensor(at, shape, 'f64'), w, lin, context, config)));
    const gradient = tidy(() =>
      values(llama.layerBackward(tensor(x, shape, 'f64'), tensor(dy, shape, 'f64'), w, lin, context, config)),
    );
    const error = gradientError(forward, x, dy, gradient);
    context.dispose();
    w.dispose();
    expect(error).toBeLessThan(1e-7);
    expect(liveTensors().count).toBe(before);
  });
});

test('each linear gets one backward, with the input that its forward saw', () => {
  const config = tinyConfig();
  const w = randomLayer(config);
  const context = makeBatchContext(config, [{ tokens: 4 }], 'f64');
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
      expect(dy.shape[1]).toBe(llama.linears(config).find((l) => l.name === name)!.outFeatures);
      backwards.push(name);
      return plain.backward(name, x, dy);
    },
  };
  tidy(() => {
    const x = tensor(randomNumbers(4 * 32, 1), [4, 32], 'f64');
    llama.layerForward(x, w, watching, context, config);
    llama.layerBackward(x, x, w, watching, context, config);
  });
  context.dispose();
  w.dispose();
  expect(backwards.sort()).toEqual(
    llama
      .linears(config)
      .map((l) => l.name)
      .sort(),
  );
});
