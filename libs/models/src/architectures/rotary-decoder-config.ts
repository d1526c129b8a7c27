/**
 * What the configurations of most decoders since Llama have in common: RMS norms, one rotary embedding, SiLU. An
 * architecture's own config.ts adds what is its own.
 */
import { z } from 'zod';
import type { ModelConfig, RopeConfig } from '../types.ts';
import { baseConfig, baseShape, checkActivation, type BaseDefaults } from './base-config.ts';
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
}

/** `json` is config.json as it was read. Throws EmlocError naming the field. */
export const rotaryDecoderConfig = (
  architecture: string,
  raw: RotaryDecoderFields,
  json: Readonly<Record<string, unknown>>,
  { rmsNormEps = 1e-6, ...defaults }: RotaryDecoderDefaults,
): RotaryDecoderConfig => {
  const base = baseConfig(architecture, raw.model_type, raw, json, { ...defaults, tieWordEmbeddings: false });
  checkActivation(raw.hidden_act, ['silu', 'swish']);
  const rope = parseRope(raw, base);
  return {
    ...base,
    maxPositionEmbeddings: longestRow(base.maxPositionEmbeddings, rope),
    rmsNormEps: raw.rms_norm_eps ?? rmsNormEps,
    rope,
  };
};
