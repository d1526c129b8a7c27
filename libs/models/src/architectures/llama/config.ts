/** config.json of the Llama architecture (Llama 1 to 3, SmolLM, TinyLlama, …), and the tensors it promises. */
import { z } from 'zod';
import type { LinearSpec, ModelConfig, TensorSpec } from '../../types.ts';
import {
  asList,
  badConfig,
  dtypeHint,
  dtypeShape,
  parseFields,
  parseRope,
  positiveInt,
  ropeShape,
  tokenId,
} from '../config-fields.ts';

const schema = z.looseObject({
  model_type: z.literal('llama'),
  hidden_size: positiveInt,
  num_hidden_layers: positiveInt,
  num_attention_heads: positiveInt,
  num_key_value_heads: positiveInt.nullish(),
  head_dim: positiveInt.nullish(),
  intermediate_size: positiveInt,
  vocab_size: positiveInt,
  max_position_embeddings: positiveInt.nullish(),
  rms_norm_eps: z.number().nonnegative().nullish(),
  hidden_act: z.string().nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  pad_token_id: z.int().nullish(),
  ...ropeShape,
  ...dtypeShape,
});

export const parseLlamaConfig = (json: Readonly<Record<string, unknown>>): ModelConfig => {
  const raw = parseFields(schema, json);
  const numHeads = raw.num_attention_heads;
  const numKeyValueHeads = raw.num_key_value_heads ?? numHeads;
  if (numHeads % numKeyValueHeads !== 0)
    throw badConfig(
      'num_key_value_heads',
      numKeyValueHeads,
      `${numHeads} attention heads cannot share ${numKeyValueHeads} key-value heads evenly`,
      'correct config.json',
    );
  if (raw.head_dim == null && raw.hidden_size % numHeads !== 0)
    throw badConfig(
      'hidden_size',
      raw.hidden_size,
      `${raw.hidden_size} is not a multiple of ${numHeads} attention heads`,
      'add head_dim to config.json',
    );
  const headDim = raw.head_dim ?? raw.hidden_size / numHeads;
  if (headDim % 2 !== 0)
    throw badConfig('head_dim', headDim, 'rotary embeddings need an even head size', 'correct config.json');
  const act = raw.hidden_act ?? 'silu';
  if (act !== 'silu' && act !== 'swish')
    throw badConfig('hidden_act', act, `activation "${act}" is not supported`, 'use a model with silu');
  return {
    architecture: 'llama',
    modelType: raw.model_type,
    hiddenSize: raw.hidden_size,
    numLayers: raw.num_hidden_layers,
    numHeads,
    numKeyValueHeads,
    headDim,
    intermediateSize: raw.intermediate_size,
    vocabSize: raw.vocab_size,
    maxPositionEmbeddings: raw.max_position_embeddings ?? 2048,
    rmsNormEps: raw.rms_norm_eps ?? 1e-6,
    rope: parseRope(raw),
    tieWordEmbeddings: raw.tie_word_embeddings ?? false,
    attentionBias: raw.attention_bias ?? false,
    mlpBias: raw.mlp_bias ?? false,
    bosTokenId: raw.bos_token_id ?? undefined,
    eosTokenIds: asList(raw.eos_token_id),
    // Some checkpoints write -1 for "none".
    padTokenId: raw.pad_token_id == null || raw.pad_token_id < 0 ? undefined : raw.pad_token_id,
    dtype: dtypeHint(raw),
    raw: json,
  };
};

export const tensorNames = {
  embedding: 'model.embed_tokens.weight',
  finalNorm: 'model.norm.weight',
  head: 'lm_head.weight',
} as const;

export const moduleName = (layer: number, linear: string): string => `model.layers.${layer}.${linear}`;

/** In order of use. q, k, v share an input, so do gate and up. */
export const llamaLinears = (c: ModelConfig): readonly LinearSpec[] => {
  const queries = c.numHeads * c.headDim;
  const keys = c.numKeyValueHeads * c.headDim;
  const [hidden, inner] = [c.hiddenSize, c.intermediateSize];
  const spec = (
    name: string,
    inFeatures: number,
    outFeatures: number,
    bias: boolean,
    inputGroup = name,
  ): LinearSpec => ({ name, inFeatures, outFeatures, bias, inputGroup });
  return [
    spec('self_attn.q_proj', hidden, queries, c.attentionBias, 'self_attn.q_proj'),
    spec('self_attn.k_proj', hidden, keys, c.attentionBias, 'self_attn.q_proj'),
    spec('self_attn.v_proj', hidden, keys, c.attentionBias, 'self_attn.q_proj'),
    spec('self_attn.o_proj', queries, hidden, c.attentionBias),
    spec('mlp.gate_proj', hidden, inner, c.mlpBias, 'mlp.gate_proj'),
    spec('mlp.up_proj', hidden, inner, c.mlpBias, 'mlp.gate_proj'),
    spec('mlp.down_proj', inner, hidden, c.mlpBias),
  ];
};

export const layerNorms = ['input_layernorm.weight', 'post_attention_layernorm.weight'] as const;

export const llamaTensors = (c: ModelConfig): readonly TensorSpec[] => {
  const linears = llamaLinears(c);
  const specs: TensorSpec[] = [{ name: tensorNames.embedding, shape: [c.vocabSize, c.hiddenSize] }];
  for (let layer = 0; layer < c.numLayers; layer++) {
    for (const norm of layerNorms) specs.push({ name: moduleName(layer, norm), shape: [c.hiddenSize] });
    for (const { name, inFeatures, outFeatures, bias } of linears) {
      specs.push({ name: `${moduleName(layer, name)}.weight`, shape: [outFeatures, inFeatures] });
      if (bias) specs.push({ name: `${moduleName(layer, name)}.bias`, shape: [outFeatures] });
    }
  }
  specs.push({ name: tensorNames.finalNorm, shape: [c.hiddenSize] });
  if (!c.tieWordEmbeddings) specs.push({ name: tensorNames.head, shape: [c.vocabSize, c.hiddenSize] });
  return specs;
};
