/** config.json of the Llama architecture (Llama 1 to 3, SmolLM, TinyLlama, …), and the tensors it promises. */
import { z } from 'zod';
import type { LinearSpec, ModelConfig, RopeConfig, TensorSpec } from '../../types.ts';
import { baseConfig, baseShape, checkActivation } from '../base-config.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears } from '../decoder-names.ts';
import { longestRow, parseRope, ropeShape } from '../rope-config.ts';

export interface LlamaConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  readonly rope: RopeConfig;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

const schema = z.looseObject({
  model_type: z.literal('llama'),
  ...baseShape,
  intermediate_size: positiveInt,
  rms_norm_eps: z.number().nonnegative().nullish(),
  hidden_act: z.string().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  ...ropeShape,
});

export const parseLlamaConfig = (json: Readonly<Record<string, unknown>>): LlamaConfig => {
  const raw = parseFields(schema, json);
  const base = baseConfig('llama', raw.model_type, raw, json, {
    maxPositionEmbeddings: 2048,
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
