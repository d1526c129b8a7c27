import { startEngine } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError } from '../../testing/check-layer.ts';
import type { ModelOf } from '../../types.ts';
import { defineArchitecture } from '../define.ts';
import { mixtral } from './index.ts';

beforeAll(() => startEngine());

const tiny = (changes: Record<string, unknown> = {}): ModelOf => ({
  architecture: defineArchitecture(mixtral),
  config: mixtral.parseConfig({
    model_type: 'mixtral',
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 24,
    num_local_experts: 4,
    num_experts_per_tok: 2,
    vocab_size: 50,
    max_position_embeddings: 64,
    rope_theta: 10000,
    ...changes,
  }),
});

test.each<[string, Record<string, unknown>]>([
  ['a window', { sliding_window: 3 }],
  ['no window', {}],
])('a layer with %s has a backward that agrees with finite differences', (_, changes) => {
  expect(layerGradientError(tiny(changes), { layer: 1 })).toBeLessThan(1e-7);
});

test('each linear that rows come to gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tiny());
});

test('more experts for a token than there are is refused by its field', () => {
  expect(() => tiny({ num_experts_per_tok: 5 })).toThrow(
    expect.objectContaining({ reason: 'BAD_MODEL_CONFIG', field: 'num_experts_per_tok' }),
  );
});
