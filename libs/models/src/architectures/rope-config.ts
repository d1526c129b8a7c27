/**
 * The rotary embedding in config.json, in both spellings: `rope_parameters` (transformers 5), `rope_theta` and
 * `rope_scaling` (4). Where both are there `rope_scaling` wins, as in transformers.
 */
import { EmlocError } from '@emloc/errors';
import { z } from 'zod';
import type { ModelConfig, RopeConfig, RopeScaling } from '../types.ts';
import { badConfig, positiveInt } from './config-fields.ts';

const positive = z.number().positive();
const factors = z.array(positive);

export const ropeFields = z.looseObject({
  rope_theta: positive.nullish(),
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  partial_rotary_factor: positive.max(1).nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positiveInt.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().nonnegative().nullish(),
  mscale_all_dim: z.number().nonnegative().nullish(),
  truncate: z.boolean().nullish(),
  short_factor: factors.nullish(),
  long_factor: factors.nullish(),
});

type RopeFields = z.infer<typeof ropeFields>;

export const ropeShape = {
  rope_theta: positive.nullish(),
  partial_rotary_factor: positive.max(1).nullish(),
  original_max_position_embeddings: positiveInt.nullish(),
  rope_scaling: ropeFields.nullish(),
  rope_parameters: ropeFields.nullish(),
};

type RopeShape = z.infer<z.ZodObject<typeof ropeShape>>;

/** What the model's other fields say about its rotary embedding. */
export interface RopeSurroundings extends Pick<ModelConfig, 'headDim' | 'maxPositionEmbeddings'> {
  readonly theta: number;
  readonly partialRotaryFactor: number;
  /** Above what the rope's own fields say. */
  readonly originalMaxPositionEmbeddings: number | undefined;
  /** Where the fields stand in config.json, for errors. */
  readonly field: string;
}

/** Of a model with one rotary embedding. */
export const parseRope = (
  raw: RopeShape,
  base: Pick<ModelConfig, 'headDim' | 'maxPositionEmbeddings'>,
  defaultTheta = 10000,
): RopeConfig => {
  const parameters = raw.rope_scaling ?? raw.rope_parameters ?? {};
  const field = raw.rope_scaling ? 'rope_scaling' : 'rope_parameters';
  const nested = Object.keys(parameters).find((key) => key.endsWith('_attention'));
  if (nested !== undefined)
    throw badConfig(
      `${field}.${nested}`,
      parameters[nested],
      'rotary embeddings by layer type are not supported for this architecture',
      'use a model with one rotary embedding',
    );
  return ropeOf(parameters, {
    ...base,
    theta: raw.rope_theta ?? raw.rope_parameters?.rope_theta ?? defaultTheta,
    partialRotaryFactor: raw.partial_rotary_factor ?? 1,
    originalMaxPositionEmbeddings: raw.original_max_position_embeddings ?? undefined,
    field,
  });
};

export const ropeOf = (parameters: RopeFields, around: RopeSurroundings): RopeConfig => {
  const factor = parameters.partial_rotary_factor ?? around.partialRotaryFactor;
  const dims = Math.trunc(around.headDim * factor);
  if (dims % 2 !== 0 || dims === 0)
    throw badConfig(
      factor === 1 ? 'head_dim' : 'partial_rotary_factor',
      factor === 1 ? around.headDim : factor,
      `rotary embeddings need an even head size, but ${dims} of ${around.headDim} numbers would be rotated`,
      'correct config.json',
    );
  const scaled = scalingOf(parameters, dims, around);
  return { theta: parameters.rope_theta ?? around.theta, dims, ...scaled };
};

const scalingOf = (
  parameters: RopeFields,
  dims: number,
  around: RopeSurroundings,
): { readonly scaling?: RopeScaling; readonly attentionFactor?: number } => {
  const { field, maxPositionEmbeddings } = around;
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  const need = <K extends keyof RopeFields>(name: K): NonNullable<RopeFields[K]> => {
    const value = parameters[name];
    if (value != null) return value as NonNullable<RopeFields[K]>;
    throw badConfig(`${field}.${name}`, value, `rope scaling "${type}" needs ${name}`, 'add it');
  };
  const original =
    around.originalMaxPositionEmbeddings ??
    parameters.original_max_position_embeddings ??
    maxPositionEmbeddings;
  switch (type) {
    case 'default':
      return {};
    case 'linear':
      return { scaling: { type, factor: need('factor') } };
    case 'dynamic':
      return { scaling: { type, factor: need('factor'), maxPositionEmbeddings } };
    case 'llama3': {
      const [lowFreqFactor, highFreqFactor] = [need('low_freq_factor'), need('high_freq_factor')];
      if (highFreqFactor <= lowFreqFactor)
        throw badConfig(
          `${field}.high_freq_factor`,
          highFreqFactor,
          'high_freq_factor must be above low_freq_factor',
          'correct config.json',
        );
      return {
        scaling: {
          type,
          factor: need('factor'),
          lowFreqFactor,
          highFreqFactor,
          originalMaxPositionEmbeddings: original,
        },
      };
    }
    case 'yarn': {
      const factor = parameters.factor ?? maxPositionEmbeddings / original;
      return {
        scaling: {
          type,
          factor,
          betaFast: parameters.beta_fast ?? 32,
          betaSlow: parameters.beta_slow ?? 1,
          truncate: parameters.truncate ?? true,
          originalMaxPositionEmbeddings: original,
        },
        attentionFactor: parameters.attention_factor ?? yarnAttentionFactor(factor, parameters),
      };
    }
    case 'longrope': {
      const [shortFactor, longFactor] = (['short_factor', 'long_factor'] as const).map((name) => {
        const found = need(name);
        if (found.length === dims / 2) return found;
        throw badConfig(
          `${field}.${name}`,
          `${found.length} numbers`,
          `${name} holds ${found.length} numbers, but ${dims / 2} pairs are rotated`,
          'correct config.json',
        );
      }) as [number[], number[]];
      const factor = parameters.factor ?? maxPositionEmbeddings / original;
      return {
        scaling: { type, shortFactor, longFactor, originalMaxPositionEmbeddings: original },
        attentionFactor:
          parameters.attention_factor ??
          (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))),
      };
    }
    default:
      throw new EmlocError(
        'UNIMPLEMENTED',
        'UNSUPPORTED_ROPE_SCALING',
        `rope scaling "${type}" is not supported`,
        {
          field: `${field}.rope_type`,
          value: type,
          mend: 'use a model with one of: default, linear, dynamic, llama3, yarn, longrope',
        },
      );
  }
};

const yarnAttentionFactor = (factor: number, { mscale, mscale_all_dim }: RopeFields): number => {
  const of = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);
  return mscale && mscale_all_dim ? of(mscale) / of(mscale_all_dim) : of(1);
};

/** Tokens of the longest row: scalings reach beyond the length that the model was trained on. */
export const longestRow = (maxPositionEmbeddings: number, { scaling }: RopeConfig): number => {
  switch (scaling?.type) {
    case 'linear':
    case 'dynamic':
      return Math.floor(maxPositionEmbeddings * Math.max(1, scaling.factor));
    case 'yarn':
      return Math.max(
        maxPositionEmbeddings,
        Math.floor(scaling.originalMaxPositionEmbeddings * scaling.factor),
      );
    default:
      return maxPositionEmbeddings;
  }
};
