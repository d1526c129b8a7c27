/** config.json of the Mistral architecture, and the tensors it promises: Llama's without any bias. */
import { z } from 'zod';
import type { LinearSpec, ModelConfig, RopeConfig, TensorSpec } from '../../types.ts';
import { baseConfig, baseShape, checkActivation } from '../base-config.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears } from '../decoder-names.ts';
import { longestRow, parseRope, ropeShape } from '../rope-config.ts';

export interface MistralConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  readonly rope: RopeConfig;
  /** Of all layers; undefined: none. */
  readonly slidingWindow: number | undefined;
}

const schema = z.looseObject({
  model_type: z.literal('mistral'),
  ...baseShape,
  intermediate_size: positiveInt,
  rms_norm_eps: z.number().nonnegative().nullish(),
  hidden_act: z.string().nullish(),
  sliding_window: positiveInt.nullish(),
  ...ropeShape,
});

export const parseMistralConfig = (json: Readonly<Record<string, unknown>>): MistralConfig => {
  const raw = parseFields(schema, json);
  const base = baseConfig('mistral', raw.model_type, raw, json, {
    numKeyValueHeads: 8,
    maxPositionEmbeddings: 131072,
    tieWordEmbeddings: false,
  });
  checkActivation(raw.hidden_act, ['silu', 'swish']);
  const rope = parseRope(raw, base);
  return {
    ...base,
    maxPositionEmbeddings: longestRow(base.maxPositionEmbeddings, rope),
    intermediateSize: raw.intermediate_size,
    rmsNormEps: raw.rms_norm_eps ?? 1e-6,
    rope,
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
