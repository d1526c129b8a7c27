/** config.json of the Qwen2 architecture (Qwen2, Qwen2.5), and the tensors it promises: Llama's, and biases of q, k, v. */
import { z } from 'zod';
import type { LinearSpec, ModelConfig, RopeConfig, TensorSpec } from '../../types.ts';
import { baseConfig, baseShape, checkActivation } from '../base-config.ts';
import { parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears } from '../decoder-names.ts';
import { qwenWindows, qwenWindowShape, type QwenWindows } from '../qwen-config.ts';
import { longestRow, parseRope, ropeShape } from '../rope-config.ts';

export interface Qwen2Config extends ModelConfig, QwenWindows {
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  readonly rope: RopeConfig;
}

const schema = z.looseObject({
  model_type: z.literal('qwen2'),
  ...baseShape,
  intermediate_size: positiveInt,
  rms_norm_eps: z.number().nonnegative().nullish(),
  hidden_act: z.string().nullish(),
  ...qwenWindowShape,
  ...ropeShape,
});

export const parseQwen2Config = (json: Readonly<Record<string, unknown>>): Qwen2Config => {
  const raw = parseFields(schema, json);
  const base = baseConfig('qwen2', raw.model_type, raw, json, {
    numKeyValueHeads: 32,
    maxPositionEmbeddings: 32768,
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
