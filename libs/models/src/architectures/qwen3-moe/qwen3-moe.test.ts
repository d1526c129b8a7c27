import { startEngine, tensor, tidy } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { makeBatchContext } from '../../batch-context.ts';
import { plainLinears } from '../../layers/linear.ts';
import { expectOneBackwardEach, layerGradientError } from '../../testing/check-layer.ts';
import { randomNumbers } from '../../testing/fixture.ts';
import { randomLayer } from '../../testing/tiny-config.ts';
import type { Linears, ModelOf } from '../../types.ts';
import { defineArchitecture } from '../define.ts';
import { qwen3Moe } from './index.ts';

beforeAll(() => startEngine());

const tiny = (changes: Record<string, unknown> = {}): ModelOf => ({
  architecture: defineArchitecture(qwen3Moe),
  config: qwen3Moe.parseConfig({
    model_type: 'qwen3_moe',
    hidden_size: 32,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 6,
    intermediate_size: 40,
    moe_intermediate_size: 24,
    num_experts: 5,
    num_experts_per_tok: 2,
    norm_topk_prob: true,
    mlp_only_layers: [0],
    vocab_size: 50,
    max_position_embeddings: 64,
    rope_theta: 10000,
    ...changes,
  }),
});
const some = ['self_attn.q_proj', 'mlp.experts.0.gate_proj', 'mlp.experts.1.down_proj'];

test.each<[string, Record<string, unknown>, number, readonly string[]]>([
  ['experts, weights that sum to 1', {}, 1, []],
  ['experts, weights as the softmax has them', { norm_topk_prob: false }, 1, []],
  ['all experts for each token', { num_experts_per_tok: 5 }, 1, []],
  ['one expert a token', { num_experts_per_tok: 1, norm_topk_prob: false }, 1, []],
  ['experts, some linears factored', {}, 2, some],
  ['no experts', {}, 0, []],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, layer, factored) => {
  expect(layerGradientError(tiny(changes), { factored, layer })).toBeLessThan(1e-7);
});

test('each linear that rows come to gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tiny(), 1);
  expectOneBackwardEach(tiny(), 0);
});

test('a token goes to K experts, and an expert without tokens is not called', () => {
  const model = tiny({ num_experts: 16 });
  const { architecture, config } = model;
  const w = randomLayer(model, [], 1);
  const batch = makeBatchContext(model, [{ tokens: 3 }], 'f64');
  const rows = new Map<string, number>();
  const plain = plainLinears(w);
  const watching: Linears = {
    ...plain,
    forward: (name, x) => {
      rows.set(name, x.shape[0]!);
      return plain.forward(name, x);
    },
  };
  tidy(() => {
    const x = tensor(randomNumbers(3 * 32, 1), [3, 32], 'f64');
    architecture.layerForward(x, w, watching, batch.layer(1), config);
  });
  batch.dispose();
  w.dispose();
  const gates = [...rows].filter(([name]) => name.startsWith('mlp.') && name.endsWith('gate_proj'));
  expect(gates.reduce((sum, [, count]) => sum + count, 0)).toBe(2 * 3);
  expect(gates.length).toBeLessThanOrEqual(6);
  expect(Math.min(...rows.values())).toBeGreaterThan(0);
});

test('which layers have experts is what decoder_sparse_step and mlp_only_layers say', () => {
  const { architecture, config } = tiny({
    num_hidden_layers: 6,
    decoder_sparse_step: 2,
    mlp_only_layers: [3],
  });
  const sparse = Array.from({ length: 6 }, (_, layer) =>
    architecture.linears(config, layer).some(({ routed }) => routed === true),
  );
  expect(sparse).toEqual([false, true, false, false, false, true]);
});

test('more experts for a token than there are is refused by its field', () => {
  expect(() => tiny({ num_experts_per_tok: 6 })).toThrow(
    expect.objectContaining({ reason: 'BAD_MODEL_CONFIG', field: 'num_experts_per_tok' }),
  );
});
