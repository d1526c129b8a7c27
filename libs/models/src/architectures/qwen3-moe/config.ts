/** config.json of Qwen3's mixtures of experts, and the tensors it promises. */
import { z } from 'zod';
import type { LinearSpec, TensorSpec } from '../../types.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears, moduleName } from '../decoder-names.ts';
import { checkExpertsPerToken, expertLinearSpecs } from '../expert-config.ts';
import {
  rotaryDecoderConfig,
  rotaryDecoderShape,
  type RotaryDecoderConfig,
} from '../rotary-decoder-config.ts';

export interface Qwen3MoeConfig extends RotaryDecoderConfig {
  /** Of layers without experts. */
  readonly intermediateSize: number;
  readonly expertSize: number;
  readonly numExperts: number;
  readonly expertsPerToken: number;
  /** Do the weights of a token's experts sum to 1? */
  readonly normalizedWeights: boolean;
  /** Every so many layers, from the end of the first such stretch on, has experts. */
  readonly sparseStep: number;
  readonly denseLayers: readonly number[];
  readonly attentionBias: boolean;
  readonly slidingWindow: number | undefined;
}

const schema = z.looseObject({
  model_type: z.literal('qwen3_moe'),
  ...rotaryDecoderShape,
  intermediate_size: positiveInt.nullish(),
  moe_intermediate_size: positiveInt.nullish(),
  // transformers 5 writes num_local_experts.
  num_experts: positiveInt.nullish(),
  num_local_experts: positiveInt.nullish(),
  num_experts_per_tok: positiveInt.nullish(),
  norm_topk_prob: z.boolean().nullish(),
  decoder_sparse_step: positiveInt.nullish(),
  mlp_only_layers: z.array(z.int().nonnegative()).nullish(),
  attention_bias: z.boolean().nullish(),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: positiveInt.nullish(),
});

export const parseQwen3MoeConfig = (json: Readonly<Record<string, unknown>>): Qwen3MoeConfig => {
  const raw = parseFields(schema, json);
  const base = rotaryDecoderConfig('qwen3-moe', raw, json, {
    numKeyValueHeads: 4,
    maxPositionEmbeddings: 32768,
  });
  const numExperts = raw.num_experts ?? raw.num_local_experts ?? 128;
  const expertsPerToken = raw.num_experts_per_tok ?? 8;
  checkExpertsPerToken(expertsPerToken, numExperts);
  return {
    ...base,
    intermediateSize: raw.intermediate_size ?? 6144,
    expertSize: raw.moe_intermediate_size ?? 768,
    numExperts,
    expertsPerToken,
    normalizedWeights: raw.norm_topk_prob ?? false,
    sparseStep: raw.decoder_sparse_step ?? 1,
    denseLayers: raw.mlp_only_layers ?? [],
    attentionBias: raw.attention_bias ?? false,
    slidingWindow: raw.use_sliding_window === true ? (raw.sliding_window ?? 4096) : undefined,
  };
};

export const hasExperts = ({ denseLayers, sparseStep }: Qwen3MoeConfig, layer: number): boolean =>
  !denseLayers.includes(layer) && (layer + 1) % sparseStep === 0;

export const ROUTER = 'mlp.gate.weight';
export const expertLinears = (expert: number) => ({
  gate: `mlp.experts.${expert}.gate_proj`,
  up: `mlp.experts.${expert}.up_proj`,
  down: `mlp.experts.${expert}.down_proj`,
});

/** In order of use; experts by number. */
export const qwen3MoeLinears = (c: Qwen3MoeConfig, layer: number): readonly LinearSpec[] => {
  const attention = attentionLinears(c, { qkv: c.attentionBias, o: c.attentionBias });
  if (!hasExperts(c, layer)) return [...attention, ...mlpLinears(c.hiddenSize, c.intermediateSize)];
  return [...attention, ...expertLinearSpecs(c.numExperts, expertLinears, c.hiddenSize, c.expertSize)];
};

export const qwen3MoeTensors = (c: Qwen3MoeConfig): readonly TensorSpec[] => [
  ...decoderTensors(c, (layer) => qwen3MoeLinears(c, layer), [
    { name: 'input_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'post_attention_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'self_attn.q_norm.weight', shape: [c.headDim] },
    { name: 'self_attn.k_norm.weight', shape: [c.headDim] },
  ]),
  ...Array.from({ length: c.numLayers }, (_, layer) => layer)
    .filter((layer) => hasExperts(c, layer))
    .map((layer) => ({ name: moduleName(layer, ROUTER), shape: [c.numExperts, c.hiddenSize] })),
];
