import { startEngine } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError, type LayerCheck } from '../../testing/check-layer.ts';
import { tinyModelOf } from '../../testing/tiny-config.ts';
import type { Gemma3Config } from './config.ts';
import { embeddingScale } from './index.ts';

const gemma = { head_dim: 8, sliding_window: 3, sliding_window_pattern: 2, query_pre_attn_scalar: 5 };

beforeAll(() => startEngine());

test.each<[string, Record<string, unknown>, LayerCheck]>([
  ['a global kind of attention', gemma, { layer: 1 }],
  ['a local kind of attention', gemma, { layer: 0 }],
  ['biases', { ...gemma, attention_bias: true }, {}],
  ['factored linears', gemma, { factored: ['self_attn.v_proj', 'mlp.down_proj'] }],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, check) => {
  expect(layerGradientError(tinyModelOf('gemma3_text', changes), check)).toBeLessThan(1e-7);
});

test('each linear gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tinyModelOf('gemma3_text', gemma));
});

describe('config.json', () => {
  const parsed = (changes: Record<string, unknown>): Gemma3Config =>
    tinyModelOf('gemma3_text', changes).config as Gemma3Config;

  test('layers are local and global by a pattern or by a list', () => {
    expect(parsed({ ...gemma, num_hidden_layers: 7, sliding_window_pattern: null }).layerTypes).toEqual([
      ...Array<string>(5).fill('sliding_attention'),
      'full_attention',
      'sliding_attention',
    ]);
    const layer_types = ['full_attention', 'sliding_attention'];
    expect(parsed({ ...gemma, layer_types }).layerTypes).toEqual(layer_types);
  });

  test('each kind has its frequencies, in both spellings; scaling is for global layers', () => {
    const old = parsed({
      ...gemma,
      rope_theta: 5e5,
      rope_local_base_freq: 2e4,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    });
    const now = parsed({
      ...gemma,
      rope_theta: null,
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 5e5 },
        sliding_attention: { rope_type: 'default', rope_theta: 2e4 },
      },
    });
    expect(old.globalRope).toEqual({ theta: 5e5, dims: 8, scaling: { type: 'linear', factor: 8 } });
    expect(old.localRope).toEqual({ theta: 2e4, dims: 8 });
    expect([now.globalRope, now.localRope]).toEqual([old.globalRope, old.localRope]);
    const plain = parsed({ ...gemma, rope_theta: null });
    expect([plain.globalRope.theta, plain.localRope.theta]).toEqual([1e6, 1e4]);
  });

  test('what it has not is refused', () => {
    expect(() => parsed({ ...gemma, final_logit_softcapping: 30 })).toThrow('final_logit_softcapping');
    expect(() => parsed({ ...gemma, use_bidirectional_attention: true })).toThrow('later tokens');
    expect(() => parsed({ ...gemma, hidden_activation: 'relu' })).toThrow('relu');
    expect(() => tinyModelOf('gemma3')).toThrow(
      expect.objectContaining({
        field: 'model_type',
        mend: expect.stringContaining('gemma3_text') as string,
      }),
    );
  });
});

test('embeddings are scaled by the root of the width, rounded where the model is computed in bf16', () => {
  expect(embeddingScale(3072, 'f32')).toBe(Math.sqrt(3072));
  expect(embeddingScale(3072, 'bf16')).toBe(55.5);
});
