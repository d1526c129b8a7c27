import { startEngine } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError } from '../../testing/check-layer.ts';
import { tinyModel } from '../../testing/tiny-config.ts';

beforeAll(() => startEngine());

const llama3 = {
  rope_type: 'llama3',
  rope_theta: 10000,
  factor: 4,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

test.each<[string, Record<string, unknown>, readonly string[]]>([
  ['grouped key-value heads', {}, []],
  ['one key-value head a head', { num_key_value_heads: 4 }, []],
  ['one key-value head for all', { num_key_value_heads: 1 }, []],
  ['biases', { attention_bias: true, mlp_bias: true }, []],
  ['a head size of its own', { head_dim: 6 }, []],
  ['llama3 scaling', { rope_parameters: llama3 }, []],
  ['factored linears', {}, ['self_attn.q_proj', 'self_attn.o_proj', 'mlp.up_proj', 'mlp.down_proj']],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, factored) => {
  expect(layerGradientError(tinyModel(changes), { factored })).toBeLessThan(1e-7);
});

test('each linear gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tinyModel());
});
