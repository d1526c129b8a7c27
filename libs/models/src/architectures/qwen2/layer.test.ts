import { startEngine } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError, type LayerCheck } from '../../testing/check-layer.ts';
import { tinyModelOf } from '../../testing/tiny-config.ts';

beforeAll(() => startEngine());

test.each<[string, Record<string, unknown>, LayerCheck]>([
  ['biases of q, k and v', {}, {}],
  ['a window', { use_sliding_window: true, sliding_window: 3, max_window_layers: 1 }, { layer: 1 }],
  ['yarn', { rope_scaling: { type: 'yarn', factor: 4 } }, {}],
  ['factored linears', {}, { factored: ['self_attn.k_proj', 'mlp.gate_proj'] }],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, check) => {
  expect(layerGradientError(tinyModelOf('qwen2', changes), check)).toBeLessThan(1e-7);
});

test('each linear gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tinyModelOf('qwen2', {}));
});

describe('config.json', () => {
  test('q, k and v have biases, the output has none', () => {
    const { architecture, config } = tinyModelOf('qwen2');
    const biased = architecture.linears(config, 0).flatMap(({ name, bias }) => (bias ? [name] : []));
    expect(biased).toEqual(['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj']);
  });
});
