/**
 * What the configurations of most decoders since Llama have in common: RMS norms, one rotary embedding, SiLU. An
 * architecture's own config.ts adds what is its own.
 */
import { z } from 'zod';
import type { ModelConfig, RopeConfig } from '../types.ts';
import { baseConfig, baseShape, checkActivation, type BaseDefaults } from './base-config.ts';
import { badConfig } from './config-fields.ts';
import { longestRow, parseRope, ropeShape } from './rope-config.ts';

export interface RotaryDecoderConfig extends ModelConfig {
  readonly rmsNormEps: number;
  readonly rope: RopeConfig;
}

export const rotaryDecoderShape = {
  ...baseShape,
  rms_norm_eps: z.number().nonnegative().nullish(),
  hidden_act: z.string().nullish(),
  ...ropeShape,
};

type RotaryDecoderFields = z.infer<z.ZodObject<typeof rotaryDecoderShape>> & { readonly model_type: string };

export interface RotaryDecoderDefaults extends Omit<BaseDefaults, 'tieWordEmbeddings'> {
  /** Undefined: 1e-6. */
  readonly rmsNormEps?: number;
  /** Does `partial_rotary_factor` count? Default: no, transformers passes over it. */
  readonly rotatesPart?: boolean;
}

/** `json` is config.json as it was read. Throws EmlocError naming the field. */
export const rotaryDecoderConfig = (
  architecture: string,
  raw: RotaryDecoderFields,
  json: Readonly<Record<string, unknown>>,
  { rmsNormEps = 1e-6, rotatesPart = false, ...defaults }: RotaryDecoderDefaults,
): RotaryDecoderConfig => {
  const base = baseConfig(architecture, raw.model_type, raw, json, { ...defaults, tieWordEmbeddings: false });
  checkActivation(raw.hidden_act, ['silu', 'swish']);
  const rope = parseRope(raw, base);
  if (!rotatesPart && rope.dims !== base.headDim)
    throw badConfig(
      'partial_rotary_factor',
      rope.dims / base.headDim,
      `a model of type ${raw.model_type} rotates all of each head in transformers, whatever partial_rotary_factor says`,
      'remove partial_rotary_factor from config.json, if that is how the model was trained',
    );
  return {
    ...base,
    maxPositionEmbeddings: longestRow(base.maxPositionEmbeddings, rope),
    rmsNormEps: raw.rms_norm_eps ?? rmsNormEps,
    rope,
  };
};
