/** config.json of the Mistral architecture, and the tensors it promises: Llama's without any bias. */
import { z } from 'zod';
import type { LinearSpec, TensorSpec } from '../../types.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears } from '../decoder-names.ts';
import {
  rotaryDecoderConfig,
  rotaryDecoderShape,
  type RotaryDecoderConfig,
} from '../rotary-decoder-config.ts';

export interface MistralConfig extends RotaryDecoderConfig {
  readonly intermediateSize: number;
  /** Of all layers; undefined: none. */
  readonly slidingWindow: number | undefined;
}

const schema = z.looseObject({
  model_type: z.literal('mistral'),
  ...rotaryDecoderShape,
  intermediate_size: positiveInt,
  sliding_window: positiveInt.nullish(),
});

export const parseMistralConfig = (json: Readonly<Record<string, unknown>>): MistralConfig => {
  const raw = parseFields(schema, json);
  const base = rotaryDecoderConfig('mistral', raw, json, {
    numKeyValueHeads: 8,
    maxPositionEmbeddings: 131072,
  });
  return {
    ...base,
    intermediateSize: raw.intermediate_size,
    // Absent is transformers' default; null is none.
    slidingWindow: raw.sliding_window === undefined ? 4096 : (raw.sliding_window ?? undefined),
  };
};

/** In order of use. */
export const mistralLinears = (c: MistralConfig): readonly LinearSpec[] => [
  ...attentionLinears(c, { qkv: false, o: false }),
  ...mlpLinears(c.hiddenSize, c.intermediateSize),
];

export const mistralTensors = (c: MistralConfig): readonly TensorSpec[] =>
  decoderTensors(c, () => mistralLinears(c), [
    { name: 'input_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'post_attention_layernorm.weight', shape: [c.hiddenSize] },
  ]);
