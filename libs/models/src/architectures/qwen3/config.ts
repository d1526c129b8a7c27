/** config.json of the (dense) Qwen3 architecture, and the tensors it promises: Llama's, and norms of queries and keys. */
import { z } from 'zod';
import type { LinearSpec, TensorSpec } from '../../types.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears } from '../decoder-names.ts';
import { qwenWindows, qwenWindowShape, type QwenWindows } from '../qwen-config.ts';
import {
  rotaryDecoderConfig,
  rotaryDecoderShape,
  type RotaryDecoderConfig,
} from '../rotary-decoder-config.ts';

export interface Qwen3Config extends RotaryDecoderConfig, QwenWindows {
  readonly intermediateSize: number;
  readonly attentionBias: boolean;
}

const schema = z.looseObject({
  model_type: z.literal('qwen3'),
  ...rotaryDecoderShape,
  intermediate_size: positiveInt,
  attention_bias: z.boolean().nullish(),
  ...qwenWindowShape,
});

export const parseQwen3Config = (json: Readonly<Record<string, unknown>>): Qwen3Config => {
  const raw = parseFields(schema, json);
  const base = rotaryDecoderConfig('qwen3', raw, json, {
    numKeyValueHeads: 32,
    headDim: 128,
    maxPositionEmbeddings: 32768,
  });
  return {
    ...base,
    intermediateSize: raw.intermediate_size,
    attentionBias: raw.attention_bias ?? false,
    ...qwenWindows(raw, base.numLayers),
  };
};

/** In order of use. */
export const qwen3Linears = (c: Qwen3Config): readonly LinearSpec[] => [
  ...attentionLinears(c, { qkv: c.attentionBias, o: c.attentionBias }),
  ...mlpLinears(c.hiddenSize, c.intermediateSize),
];

export const qwen3Tensors = (c: Qwen3Config): readonly TensorSpec[] =>
  decoderTensors(c, () => qwen3Linears(c), [
    { name: 'input_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'post_attention_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'self_attn.q_norm.weight', shape: [c.headDim] },
    { name: 'self_attn.k_norm.weight', shape: [c.headDim] },
  ]);
