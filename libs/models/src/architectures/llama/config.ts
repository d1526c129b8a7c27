/** config.json of the Llama architecture (Llama 1 to 3, SmolLM, TinyLlama, …), and the tensors it promises. */
import { z } from 'zod';
import type { LinearSpec, TensorSpec } from '../../types.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears } from '../decoder-names.ts';
import {
  rotaryDecoderConfig,
  rotaryDecoderShape,
  type RotaryDecoderConfig,
} from '../rotary-decoder-config.ts';

export interface LlamaConfig extends RotaryDecoderConfig {
  readonly intermediateSize: number;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

const schema = z.looseObject({
  model_type: z.literal('llama'),
  ...rotaryDecoderShape,
  intermediate_size: positiveInt,
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
});

export const parseLlamaConfig = (json: Readonly<Record<string, unknown>>): LlamaConfig => {
  const raw = parseFields(schema, json);
  const base = rotaryDecoderConfig('llama', raw, json, {
    maxPositionEmbeddings: 2048,
  });
  return {
    ...base,
    intermediateSize: raw.intermediate_size,
    attentionBias: raw.attention_bias ?? false,
    mlpBias: raw.mlp_bias ?? false,
  };
};

/** In order of use. */
export const llamaLinears = (c: LlamaConfig): readonly LinearSpec[] => [
  ...attentionLinears(c, { qkv: c.attentionBias, o: c.attentionBias }),
  ...mlpLinears(c.hiddenSize, c.intermediateSize, c.mlpBias),
];

export const llamaTensors = (c: LlamaConfig): readonly TensorSpec[] =>
  decoderTensors(c, () => llamaLinears(c), [
    { name: 'input_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'post_attention_layernorm.weight', shape: [c.hiddenSize] },
  ]);
