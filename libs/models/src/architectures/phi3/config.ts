/**
 * config.json of the Phi-3 architecture (Phi-3, Phi-3.5, Phi-4-mini), and the tensors it promises: q, k, v are one linear,
 * so are gate and up.
 */
import { z } from 'zod';
import type { LinearSpec, ModelConfig, RopeConfig, TensorSpec } from '../../types.ts';
import { baseConfig, baseShape, checkActivation } from '../base-config.ts';
import { badConfig, parseFields, positiveInt } from '../config-fields.ts';
import { decoderTensors, linearSpec } from '../decoder-names.ts';
import { longestRow, parseRope, ropeShape } from '../rope-config.ts';

export interface Phi3Config extends ModelConfig {
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  readonly rope: RopeConfig;
  /** Of all layers; undefined: none. */
  readonly slidingWindow: number | undefined;
}

const schema = z.looseObject({
  model_type: z.literal('phi3'),
  ...baseShape,
  intermediate_size: positiveInt,
  rms_norm_eps: z.number().nonnegative().nullish(),
  hidden_act: z.string().nullish(),
  sliding_window: positiveInt.nullish(),
  ...ropeShape,
});

export const parsePhi3Config = (json: Readonly<Record<string, unknown>>): Phi3Config => {
  const raw = parseFields(schema, json);
  const base = baseConfig('phi3', raw.model_type, raw, json, {
    maxPositionEmbeddings: 4096,
    tieWordEmbeddings: false,
  });
  checkActivation(raw.hidden_act, ['silu', 'swish']);
  const rope = phi3Rope(raw, base);
  return {
    ...base,
    maxPositionEmbeddings: longestRow(base.maxPositionEmbeddings, rope),
    intermediateSize: raw.intermediate_size,
    rmsNormEps: raw.rms_norm_eps ?? 1e-5,
    rope,
    slidingWindow: raw.sliding_window ?? undefined,
  };
};

/** As transformers: only longrope, which earlier versions called su or yarn; the original length is a field of its own. */
const phi3Rope = (raw: z.infer<typeof schema>, base: ModelConfig): RopeConfig => {
  const parameters = raw.rope_scaling ?? raw.rope_parameters;
  const type = parameters?.rope_type ?? parameters?.type ?? 'default';
  if (!['default', 'longrope', 'su', 'yarn'].includes(type))
    throw badConfig(
      'rope_scaling.type',
      type,
      `rope scaling "${type}" is not supported for Phi-3`,
      'use a model with default or longrope',
    );
  const named = type === 'default' ? type : 'longrope';
  return parseRope(
    {
      ...raw,
      rope_scaling: { ...parameters, rope_type: named },
      original_max_position_embeddings: raw.original_max_position_embeddings ?? 4096,
    },
    base,
  );
};

/** In order of use. */
export const phi3Linears = (c: Phi3Config): readonly LinearSpec[] => {
  const queries = c.numHeads * c.headDim;
  return [
    linearSpec('self_attn.qkv_proj', c.hiddenSize, queries + 2 * c.numKeyValueHeads * c.headDim, false),
    linearSpec('self_attn.o_proj', queries, c.hiddenSize, false),
    linearSpec('mlp.gate_up_proj', c.hiddenSize, 2 * c.intermediateSize, false),
    linearSpec('mlp.down_proj', c.intermediateSize, c.hiddenSize, false),
  ];
};

export const phi3Tensors = (c: Phi3Config): readonly TensorSpec[] =>
  decoderTensors(c, () => phi3Linears(c), [
    { name: 'input_layernorm.weight', shape: [c.hiddenSize] },
    { name: 'post_attention_layernorm.weight', shape: [c.hiddenSize] },
  ]);
