/**
 * Reading config.json: helpers that every architecture's `config.ts` shares. Errors name the field as it stands in the
 * file. Fields that transformers writes as null count as absent.
 */
import { EmlocError } from '@emloc/errors';
import type { DType } from '@emloc/tensor-stream';
import { z } from 'zod';

export const positiveInt = z.int().positive();
export const tokenId = z.int().nonnegative();

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
