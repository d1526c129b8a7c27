import { startEngine } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError, type LayerCheck } from '../../testing/check-layer.ts';
import { tinyModelOf } from '../../testing/tiny-config.ts';
import type { Qwen3Config } from './config.ts';

beforeAll(() => startEngine());

test.each<[string, Record<string, unknown>, LayerCheck]>([
  ['norms of queries and keys', { head_dim: 8 }, {}],
  ['a head size of its own', { head_dim: 12 }, {}],
  ['biases', { head_dim: 8, attention_bias: true }, {}],
  [
    'a window',
    { head_dim: 8, ...{ use_sliding_window: true, sliding_window: 3, max_window_layers: 1 } },
    { layer: 1 },
  ],
  ['factored linears', { head_dim: 8 }, { factored: ['self_attn.q_proj', 'mlp.down_proj'] }],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, check) => {
  expect(layerGradientError(tinyModelOf('qwen3', changes), check)).toBeLessThan(1e-7);
});

test('each linear gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tinyModelOf('qwen3', { head_dim: 8 }));
});

describe('config.json', () => {
  const parsed = (changes: Record<string, unknown>): Qwen3Config =>
    tinyModelOf('qwen3', changes).config as Qwen3Config;

  test('the head size is 128 where nothing is said', () => {
    expect(parsed({}).headDim).toBe(128);
    expect(parsed({ head_dim: 12 }).headDim).toBe(12);
  });
});
