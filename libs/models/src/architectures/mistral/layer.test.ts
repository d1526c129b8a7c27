import { startEngine } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError, type LayerCheck } from '../../testing/check-layer.ts';
import { tinyModelOf } from '../../testing/tiny-config.ts';
import type { MistralConfig } from './config.ts';

beforeAll(() => startEngine());

test.each<[string, Record<string, unknown>, LayerCheck]>([
  ['a window', { sliding_window: 3 }, {}],
  ['no window', { sliding_window: null }, {}],
  ['a head size of its own', { head_dim: 6 }, {}],
  ['factored linears', {}, { factored: ['self_attn.o_proj', 'mlp.up_proj'] }],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, check) => {
  expect(layerGradientError(tinyModelOf('mistral', changes), check)).toBeLessThan(1e-7);
});

test('each linear gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tinyModelOf('mistral', {}));
});

describe('config.json', () => {
  const parsed = (changes: Record<string, unknown>): MistralConfig =>
    tinyModelOf('mistral', changes).config as MistralConfig;

  test('a window that is null is none, one that is absent the default', () => {
    expect(parsed({ sliding_window: null }).slidingWindow).toBeUndefined();
    expect(parsed({}).slidingWindow).toBe(4096);
    expect(parsed({ sliding_window: 3 }).slidingWindow).toBe(3);
  });
});
