/** config.json of GPT-2 (which has names of its own for what others call hidden_size and so on), and its tensors. */
import { z } from 'zod';
import type { LinearSpec, ModelConfig, TensorSpec } from '../../types.ts';
import { baseConfig, checkActivation } from '../base-config.ts';
import { badConfig, dtypeShape, parseFields, positiveInt, tokenId } from '../config-fields.ts';

export interface Gpt2Config extends ModelConfig {
  readonly innerSize: number;
  readonly layerNormEps: number;
  /** Scores times 1/√E. */
  readonly scaleScores: boolean;
  /** Scores of layer i times 1/(i + 1). */
  readonly scaleByLayer: boolean;
}

const schema = z.looseObject({
  model_type: z.literal('gpt2'),
  n_embd: positiveInt.nullish(),
  n_layer: positiveInt.nullish(),
  n_head: positiveInt.nullish(),
  n_inner: positiveInt.nullish(),
  n_positions: positiveInt.nullish(),
  vocab_size: positiveInt.nullish(),
  activation_function: z.string().nullish(),
  layer_norm_epsilon: z.number().nonnegative().nullish(),
  scale_attn_weights: z.boolean().nullish(),
  scale_attn_by_inverse_layer_idx: z.boolean().nullish(),
  add_cross_attention: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  pad_token_id: z.int().nullish(),
  ...dtypeShape,
});

/** What is absent is as in GPT-2 small, as transformers reads it. */
export const parseGpt2Config = (json: Readonly<Record<string, unknown>>): Gpt2Config => {
  const raw = parseFields(schema, json);
  const [hidden, heads] = [raw.n_embd ?? 768, raw.n_head ?? 12];
  if (hidden % heads !== 0)
    throw badConfig(
      'n_embd',
      hidden,
      `${hidden} is not a multiple of ${heads} attention heads`,
      'correct config.json',
    );
  if (raw.add_cross_attention === true)
    throw badConfig('add_cross_attention', true, 'cross-attention is not supported', 'use a decoder alone');
  checkActivation(raw.activation_function, ['gelu_new', 'gelu_pytorch_tanh'], 'activation_function');
  const fields = {
    ...raw,
    hidden_size: hidden,
    num_hidden_layers: raw.n_layer ?? 12,
    num_attention_heads: heads,
    vocab_size: raw.vocab_size ?? 50257,
    max_position_embeddings: raw.n_positions ?? 1024,
    bos_token_id: raw.bos_token_id ?? undefined,
  };
  const base = baseConfig('gpt2', raw.model_type, fields, json, {
    maxPositionEmbeddings: 1024,
    tieWordEmbeddings: true,
  });
  return {
    ...base,
    innerSize: raw.n_inner ?? 4 * hidden,
    layerNormEps: raw.layer_norm_epsilon ?? 1e-5,
    scaleScores: raw.scale_attn_weights ?? true,
    scaleByLayer: raw.scale_attn_by_inverse_layer_idx ?? false,
  };
};

/** Stored as in × out, transformers' Conv1D; in order of use. */
export const gpt2Linears = ({ hiddenSize, innerSize }: Gpt2Config): readonly LinearSpec[] =>
  (
    [
      ['attn.c_attn', hiddenSize, 3 * hiddenSize],
      ['attn.c_proj', hiddenSize, hiddenSize],
      ['mlp.c_fc', hiddenSize, innerSize],
      ['mlp.c_proj', innerSize, hiddenSize],
    ] as const
  ).map(([name, inFeatures, outFeatures]) => ({
    name,
    inFeatures,
    outFeatures,
    bias: true,
    inputGroup: name,
    transposed: true,
  }));

export const tensorNames = { embedding: 'transformer.wte.weight', head: 'lm_head.weight' } as const;
export const POSITIONS = 'transformer.wpe.weight';
export const FINAL_NORM = 'transformer.ln_f';

export const moduleName = (layer: number, linear: string): string => `transformer.h.${layer}.${linear}`;

export const gpt2Tensors = (c: Gpt2Config): readonly TensorSpec[] => {
  const norm = (name: string): TensorSpec[] => [
    { name: `${name}.weight`, shape: [c.hiddenSize] },
    { name: `${name}.bias`, shape: [c.hiddenSize] },
  ];
  const layers = Array.from({ length: c.numLayers }, (_, layer) => [
    ...norm(moduleName(layer, 'ln_1')),
    ...norm(moduleName(layer, 'ln_2')),
    ...gpt2Linears(c).flatMap(({ name, inFeatures, outFeatures }) => [
      { name: `${moduleName(layer, name)}.weight`, shape: [inFeatures, outFeatures] },
      { name: `${moduleName(layer, name)}.bias`, shape: [outFeatures] },
    ]),
  ]);
  return [
    { name: tensorNames.embedding, shape: [c.vocabSize, c.hiddenSize] },
    { name: POSITIONS, shape: [c.maxPositionEmbeddings, c.hiddenSize] },
    ...layers.flat(),
    ...norm(FINAL_NORM),
    ...(c.tieWordEmbeddings ? [] : [{ name: tensorNames.head, shape: [c.vocabSize, c.hiddenSize] }]),
  ];
};
