/**
 * config.json of the Phi-3 architecture (Phi-3, Phi-3.5, Phi-4-mini), and the tensors it promises: q, k, v are one linear,
 * so are gate and up.
 */
import { z } from 'zod';
import type { LinearSpec, TensorSpec } from '../../types.ts';
import { badConfig, parseFields, positiveInt } from '../config-fields.ts';
import { decoderTensors, linearSpec } from '../decoder-names.ts';
import {
  rotaryDecoderConfig,
  rotaryDecoderShape,
  type RotaryDecoderConfig,
} from '../rotary-decoder-config.ts';

export interface Phi3Config extends RotaryDecoderConfig {
  readonly intermediateSize: number;
  /** Of all layers; undefined: none. */
  readonly slidingWindow: number | undefined;
}

const schema = z.looseObject({
  model_type: z.literal('phi3'),
  ...rotaryDecoderShape,
  intermediate_size: positiveInt,
  sliding_window: positiveInt.nullish(),
});

export const parsePhi3Config = (json: Readonly<Record<string, unknown>>): Phi3Config => {
  const raw = parseFields(schema, json);
  const base = rotaryDecoderConfig('phi3', withPhi3Rope(raw), json, {
    rmsNormEps: 1e-5,
    maxPositionEmbeddings: 4096,
    rotatesPart: true,
  });
  return {
    ...base,
    intermediateSize: raw.intermediate_size,
    slidingWindow: raw.sliding_window ?? undefined,
  };
};

/** As transformers: only longrope, which earlier versions called su or yarn; the original length is a field of its own. */
const withPhi3Rope = (raw: z.infer<typeof schema>): z.infer<typeof schema> => {
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
  return {
    ...raw,
    rope_scaling: { ...parameters, rope_type: named },
    original_max_position_embeddings: raw.original_max_position_embeddings ?? 4096,
  };
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
