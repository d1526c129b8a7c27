import { startEngine } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError, type LayerCheck } from '../../testing/check-layer.ts';
import { tinyModelOf } from '../../testing/tiny-config.ts';
import type { Phi3Config } from './config.ts';

const longrope = {
  original_max_position_embeddings: 8,
  rope_scaling: { type: 'longrope', short_factor: [1, 1.1, 1.2, 1.3], long_factor: [2, 3, 4, 5] },
};

beforeAll(() => startEngine());

test.each<[string, Record<string, unknown>, LayerCheck]>([
  ['fused linears', {}, {}],
  ['part of each head rotated', { partial_rotary_factor: 0.75 }, {}],
  ['longrope', longrope, { lengths: [5, 3] }],
  ['longrope over long and short sequences', longrope, { lengths: [14, 3] }],
  ['a window', { sliding_window: 3 }, {}],
  ['factored linears', {}, { factored: ['self_attn.qkv_proj', 'mlp.gate_up_proj'] }],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, check) => {
  expect(layerGradientError(tinyModelOf('phi3', changes), check)).toBeLessThan(1e-7);
});

test('each linear gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tinyModelOf('phi3', {}));
});

describe('config.json', () => {
  const parsed = (changes: Record<string, unknown>): Phi3Config =>
    tinyModelOf('phi3', changes).config as Phi3Config;

  test('longrope goes by several names, its original length is a field of its own', () => {
    for (const type of ['longrope', 'su', 'yarn']) {
      const { rope } = parsed({ ...longrope, rope_scaling: { ...longrope.rope_scaling, type } });
      expect(rope.scaling).toMatchObject({ type: 'longrope', originalMaxPositionEmbeddings: 8 });
      expect(rope.attentionFactor).toBeCloseTo(Math.sqrt(1 + Math.log(8) / Math.log(8)), 12);
    }
    expect(parsed({ partial_rotary_factor: 0.75 }).rope).toEqual({ theta: 10000, dims: 6 });
    expect(() => parsed({ rope_scaling: { type: 'linear', factor: 2 } })).toThrow('for Phi-3');
    const short = { ...longrope.rope_scaling, long_factor: [1, 2] };
    expect(() => parsed({ ...longrope, rope_scaling: short })).toThrow('holds 2 numbers, but 4 pairs');
    expect(() => parsed({ partial_rotary_factor: 0.4 })).toThrow('3 of 8 numbers would be rotated');
  });
});
