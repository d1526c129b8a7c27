/** config.json of the Qwen2 architecture (Qwen2, Qwen2.5), and the tensors it promises: Llama's, and biases of q, k, v. */
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

export interface Qwen2Config extends RotaryDecoderConfig, QwenWindows {
  readonly intermediateSize: number;
}

const schema = z.looseObject({
  model_type: z.literal('qwen2'),
  ...rotaryDecoderShape,
  intermediate_size: positiveInt,
  ...qwenWindowShape,
});

export const parseQwen2Config = (json: Readonly<Record<string, unknown>>): Qwen2Config => {
  const raw = parseFields(schema, json);
  const base = rotaryDecoderConfig('qwen2', raw, json, {
    numKeyValueHeads: 32,
    maxPositionEmbeddings: 32768,
  });
  return {
    ...base,
    intermediateSize: raw.intermediate_size,
    ...qwenWindows(raw, base.numLayers),
  };
};

/** In order of use. */
export const qwen2Linears = (c: Qwen2Config): readonly LinearSpec[] => [
  ...attentionLinears(c, { qkv: true, o: false }),
  ...mlpLinears(c.hiddenSize, c.intermediateSize),
];

export const qwen2Tensors = (c: Qwen2Config): readonly TensorSpec[] =>
  decoderTensors(c, () => qwen2Linears(c), [
    { name: 'input_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'post_attention_layernorm.weight', shape: [c.hiddenSize] },
  ]);
