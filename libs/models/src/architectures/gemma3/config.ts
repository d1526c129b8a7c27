/**
 * config.json of Gemma 3's text model, and the tensors it promises. Layers are local (a window, rotary frequencies of
 * their own) or global; norms stand before and after both halves, and on each head of the queries and keys.
 */
import { z } from 'zod';
import type { LinearSpec, ModelConfig, RopeConfig, TensorSpec } from '../../types.ts';
import { baseConfig, baseShape, checkActivation } from '../base-config.ts';
import { badConfig, parseFields, positiveInt } from '../config-fields.ts';
import { attentionLinears, decoderTensors, mlpLinears } from '../decoder-names.ts';
import { checkWindow, layerTypesShape, parseLayerTypes, type LayerType } from '../layer-types.ts';
import { longestRow, ropeFields, ropeOf } from '../rope-config.ts';

export interface Gemma3Config extends ModelConfig {
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  readonly attentionBias: boolean;
  /** Scores are divided by its root. */
  readonly queryPreAttnScalar: number;
  readonly layerTypes: readonly LayerType[];
  readonly slidingWindow: number | undefined;
  readonly globalRope: RopeConfig;
  readonly localRope: RopeConfig;
}

const positive = z.number().positive();

const schema = z.looseObject({
  model_type: z.literal('gemma3_text'),
  ...baseShape,
  intermediate_size: positiveInt,
  rms_norm_eps: z.number().nonnegative().nullish(),
  hidden_activation: z.string().nullish(),
  attention_bias: z.boolean().nullish(),
  query_pre_attn_scalar: positive.nullish(),
  ...layerTypesShape,
  sliding_window_pattern: positiveInt.nullish(),
  rope_theta: positive.nullish(),
  rope_local_base_freq: positive.nullish(),
  rope_scaling: ropeFields.nullish(),
  rope_parameters: z
    .looseObject({ full_attention: ropeFields.nullish(), sliding_attention: ropeFields.nullish() })
    .nullish(),
  final_logit_softcapping: positive.nullish(),
  attn_logit_softcapping: positive.nullish(),
  use_bidirectional_attention: z.boolean().nullish(),
});

type Raw = z.infer<typeof schema>;

export const parseGemma3Config = (json: Readonly<Record<string, unknown>>): Gemma3Config => {
  const raw = parseFields(schema, json);
  refuseVariants(raw);
  const base = baseConfig('gemma3', raw.model_type, raw, json, {
    numKeyValueHeads: 4,
    headDim: 256,
    maxPositionEmbeddings: 131072,
    tieWordEmbeddings: true,
  });
  checkActivation(raw.hidden_activation, ['gelu_pytorch_tanh', 'gelu_new'], 'hidden_activation');
  const pattern = raw.sliding_window_pattern ?? 6;
  const layerTypes = parseLayerTypes(raw.layer_types, base.numLayers, (layer) =>
    (layer + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention',
  );
  const slidingWindow = raw.sliding_window === undefined ? 4096 : (raw.sliding_window ?? undefined);
  checkWindow(layerTypes, slidingWindow);
  const ropes = gemma3Ropes(raw, base);
  return {
    ...base,
    maxPositionEmbeddings: longestRow(base.maxPositionEmbeddings, ropes.globalRope),
    intermediateSize: raw.intermediate_size,
    rmsNormEps: raw.rms_norm_eps ?? 1e-6,
    attentionBias: raw.attention_bias ?? false,
    queryPreAttnScalar: raw.query_pre_attn_scalar ?? 256,
    layerTypes,
    slidingWindow,
    ...ropes,
  };
};

/** Scaling (`rope_scaling`, or under `rope_parameters.full_attention`) is for the global layers alone. */
const gemma3Ropes = (raw: Raw, base: ModelConfig): Pick<Gemma3Config, 'globalRope' | 'localRope'> => {
  const around = (field: string, theta: number) => ({
    ...base,
    theta,
    partialRotaryFactor: 1,
    originalMaxPositionEmbeddings: undefined,
    field,
  });
  const { full_attention: full, sliding_attention: local } = raw.rope_parameters ?? {};
  return {
    globalRope: ropeOf(
      { ...full, ...raw.rope_scaling },
      around(raw.rope_scaling ? 'rope_scaling' : 'rope_parameters.full_attention', raw.rope_theta ?? 1e6),
    ),
    localRope: ropeOf(
      local ?? {},
      around('rope_parameters.sliding_attention', raw.rope_local_base_freq ?? 1e4),
    ),
  };
};

const refuseVariants = (raw: Raw): void => {
  for (const field of ['final_logit_softcapping', 'attn_logit_softcapping'] as const)
    if (raw[field] != null)
      throw badConfig(field, raw[field], `${field} is not supported`, 'use a Gemma 3 model, which has none');
  if (raw.use_bidirectional_attention === true)
    throw badConfig(
      'use_bidirectional_attention',
      true,
      'attention to later tokens is not supported',
      'use a model that generates text',
    );
};

/** In order of use. */
export const gemma3Linears = (c: Gemma3Config): readonly LinearSpec[] => [
  ...attentionLinears(c, { qkv: c.attentionBias, o: c.attentionBias }),
  ...mlpLinears(c.hiddenSize, c.intermediateSize),
];

export const gemma3Tensors = (c: Gemma3Config): readonly TensorSpec[] =>
  decoderTensors(c, () => gemma3Linears(c), [
    ...['input', 'post_attention', 'pre_feedforward', 'post_feedforward'].map((place) => ({
      name: `${place}_layernorm.weight`,
      shape: [c.hiddenSize],
    })),
    { name: 'self_attn.q_norm.weight', shape: [c.headDim] },
    { name: 'self_attn.k_norm.weight', shape: [c.headDim] },
  ]);
