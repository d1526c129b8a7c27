import { startEngine } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { expectOneBackwardEach, layerGradientError } from '../../testing/check-layer.ts';
import type { ModelOf } from '../../types.ts';
import { gpt2 } from './index.ts';
import { defineArchitecture } from '../define.ts';

beforeAll(() => startEngine());

const tiny = (changes: Record<string, unknown> = {}): ModelOf => ({
  architecture: defineArchitecture(gpt2),
  config: gpt2.parseConfig({
    model_type: 'gpt2',
    n_embd: 32,
    n_layer: 3,
    n_head: 4,
    n_inner: 40,
    n_positions: 64,
    vocab_size: 50,
    ...changes,
  }),
});

test.each<[string, Record<string, unknown>, readonly string[]]>([
  ['as GPT-2 has it', {}, []],
  ['one head', { n_head: 1 }, []],
  ['scores unscaled', { scale_attn_weights: false }, []],
  ['scores scaled by layer', { scale_attn_by_inverse_layer_idx: true }, []],
  ['factored linears', {}, ['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj']],
])('a layer with %s has a backward that agrees with finite differences', (_, changes, factored) => {
  expect(layerGradientError(tiny(changes), { factored, layer: 2 })).toBeLessThan(1e-7);
});

test('each linear gets one backward, with the input that its forward saw', () => {
  expectOneBackwardEach(tiny());
});

test('a config.json that says little is GPT-2 small', () => {
  const { config } = { config: gpt2.parseConfig({ model_type: 'gpt2' }) };
  expect(config).toMatchObject({
    hiddenSize: 768,
    numLayers: 12,
    numHeads: 12,
    headDim: 64,
    innerSize: 3072,
    vocabSize: 50257,
    maxPositionEmbeddings: 1024,
    tieWordEmbeddings: true,
  });
});

test.each([
  ['activation_function', { activation_function: 'relu' }],
  ['add_cross_attention', { add_cross_attention: true }],
  ['n_embd', { n_embd: 30 }],
])('a model that is not supported is refused by %s', (field, changes) => {
  expect(() => tiny(changes)).toThrow(expect.objectContaining({ reason: 'BAD_MODEL_CONFIG', field }));
});

test('scores of layer i are divided by i + 1 where config.json says so', () => {
  const { architecture, config } = tiny({ scale_attn_by_inverse_layer_idx: true });
  const scaleOf = (layer: number) =>
    architecture.attentionKinds(config)[architecture.attentionKindOf(config, layer)]?.scale;
  expect([0, 1, 2].map(scaleOf)).toEqual([1, 1 / 2, 1 / 3].map((x) => x / Math.sqrt(8)));
});
