/** config.json of Mixtral, and the tensors it promises. */
import { z } from 'zod';
import type { LinearSpec, TensorSpec } from '../../types.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors } from '../decoder-names.ts';
import { checkExpertsPerToken, expertLinearSpecs } from '../expert-config.ts';
import {
  rotaryDecoderConfig,
  rotaryDecoderShape,
  type RotaryDecoderConfig,
} from '../rotary-decoder-config.ts';

export interface MixtralConfig extends RotaryDecoderConfig {
  /** Of one expert. */
  readonly intermediateSize: number;
  readonly numExperts: number;
  readonly expertsPerToken: number;
  readonly slidingWindow: number | undefined;
}

const schema = z.looseObject({
  model_type: z.literal('mixtral'),
  ...rotaryDecoderShape,
  intermediate_size: positiveInt,
  num_local_experts: positiveInt.nullish(),
  num_experts_per_tok: positiveInt.nullish(),
  sliding_window: positiveInt.nullish(),
});

export const parseMixtralConfig = (json: Readonly<Record<string, unknown>>): MixtralConfig => {
  const raw = parseFields(schema, json);
  const base = rotaryDecoderConfig('mixtral', raw, json, {
    rmsNormEps: 1e-5,
    numKeyValueHeads: 8,
    maxPositionEmbeddings: 131072,
  });
  const numExperts = raw.num_local_experts ?? 8;
  const expertsPerToken = raw.num_experts_per_tok ?? 2;
  checkExpertsPerToken(expertsPerToken, numExperts);
  return {
    ...base,
    intermediateSize: raw.intermediate_size,
    numExperts,
    expertsPerToken,
    slidingWindow: raw.sliding_window ?? undefined,
  };
};

export const ROUTER = 'block_sparse_moe.gate.weight';
export const expertLinears = (expert: number) => ({
  gate: `block_sparse_moe.experts.${expert}.w1`,
  up: `block_sparse_moe.experts.${expert}.w3`,
  down: `block_sparse_moe.experts.${expert}.w2`,
});

/** In order of use; experts by number. */
export const mixtralLinears = (c: MixtralConfig): readonly LinearSpec[] => [
  ...attentionLinears(c, { qkv: false, o: false }),
  ...expertLinearSpecs(c.numExperts, expertLinears, c.hiddenSize, c.intermediateSize),
];

export const mixtralTensors = (c: MixtralConfig): readonly TensorSpec[] =>
  decoderTensors(c, () => mixtralLinears(c), [
    { name: 'input_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'post_attention_layernorm.weight', shape: [c.hiddenSize] },
    { name: ROUTER, shape: [c.numExperts, c.hiddenSize] },
  ]);
