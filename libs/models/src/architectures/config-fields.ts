/**
 * Reading config.json: helpers that every architecture's `config.ts` shares. Errors name the field as it stands in the
 * file. Fields that transformers writes as null count as absent.
 */
import { EmlocError } from '@emloc/errors';
import type { DType } from '@emloc/tensor-stream';
import { z } from 'zod';
import type { RopeConfig, RopeScaling } from '../types.ts';

export const positiveInt = z.int().positive();
export const tokenId = z.int().nonnegative();

const ropeFields = z.looseObject({
  rope_theta: z.number().positive().nullish(),
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  factor: z.number().positive().nullish(),
  low_freq_factor: z.number().positive().nullish(),
  high_freq_factor: z.number().positive().nullish(),
  original_max_position_embeddings: positiveInt.nullish(),
});

/** The rotary embedding in both spellings: `rope_parameters` (transformers 5), `rope_theta` and `rope_scaling` (4). */
export const ropeShape = {
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeFields.nullish(),
  rope_parameters: ropeFields.nullish(),
};

export const dtypeShape = { dtype: z.string().nullish(), torch_dtype: z.string().nullish() };

/** Parses, or throws naming the first wrong field. */
export const parseFields = <T>(schema: z.ZodType<T>, raw: unknown, file = 'config.json'): T => {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'BAD_MODEL_CONFIG',
    `${file} is not valid: ${issue?.message ?? 'unknown error'}`,
    {
      field: path === '' ? file : path,
      value: short(path === '' ? raw : valueAt(raw, issue?.path ?? [])),
      mend: `correct ${file}, or download the model again`,
    },
  );
};

export const badConfig = (field: string, value: unknown, message: string, mend: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_MODEL_CONFIG', message, { field, value: short(value), mend });

/** `headDim`: all of a head is rotated. */
export const parseRope = (raw: z.infer<z.ZodObject<typeof ropeShape>>, headDim: number): RopeConfig => {
  const scaling = raw.rope_parameters ?? raw.rope_scaling;
  const field = raw.rope_parameters ? 'rope_parameters' : 'rope_scaling';
  const theta = raw.rope_parameters?.rope_theta ?? raw.rope_theta ?? 10000;
  const type = scaling?.rope_type ?? scaling?.type ?? 'default';
  const need = (name: keyof z.infer<typeof ropeFields>): number => {
    const value = scaling?.[name];
    if (typeof value === 'number') return value;
    throw badConfig(
      `${field}.${String(name)}`,
      value,
      `rope scaling "${type}" needs ${String(name)}`,
      'add it',
    );
  };
  const of = (): RopeScaling | undefined => {
    switch (type) {
      case 'default':
        return undefined;
      case 'linear':
        return { type, factor: need('factor') };
      case 'llama3': {
        const found: RopeScaling = {
          type,
          factor: need('factor'),
          lowFreqFactor: need('low_freq_factor'),
          highFreqFactor: need('high_freq_factor'),
          originalMaxPositionEmbeddings: need('original_max_position_embeddings'),
        };
        if (found.highFreqFactor > found.lowFreqFactor) return found;
        throw badConfig(
          `${field}.high_freq_factor`,
          found.highFreqFactor,
          'high_freq_factor must be above low_freq_factor',
          'correct config.json',
        );
      }
      default:
        throw new EmlocError(
          'UNIMPLEMENTED',
          'UNSUPPORTED_ROPE_SCALING',
          `rope scaling "${type}" is not supported`,
          {
            field: `${field}.rope_type`,
            value: type,
            mend: 'use a model with one of: default, linear, llama3',
          },
        );
    }
  };
  const parsed = of();
  return { theta, dims: headDim, ...(parsed === undefined ? {} : { scaling: parsed }) };
};

const torchDtypes: Record<string, DType> = {
  float64: 'f64',
  float32: 'f32',
  float16: 'f16',
  bfloat16: 'bf16',
};

/** What config.json says of the weights' type; the files decide in the end. */
export const dtypeHint = (raw: { dtype?: string | null; torch_dtype?: string | null }): DType =>
  torchDtypes[(raw.dtype ?? raw.torch_dtype ?? 'float32').replace(/^torch\./, '')] ?? 'f32';

/** A number, a list of numbers or nothing, as a list. */
export const asList = (ids: number | number[] | null | undefined): number[] =>
  ids == null ? [] : Array.isArray(ids) ? ids : [ids];

const valueAt = (raw: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? at[key as keyof typeof at] : undefined),
    raw,
  );

const short = (value: unknown): string => {
  const text = value === undefined ? 'absent' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};
