/** Fields that several contracts share, as the processes of operations want them: resolved, defaulted, plain JSON. */
import type { Fields } from './fields.ts';
import type { SourceResolver } from './sources.ts';

export interface DatasetRequest {
  readonly path: string;
  readonly maxSeqLength?: number;
  readonly completionOnlyLoss: boolean;
  readonly split?: { readonly part: 'train' | 'held-out'; readonly rows: number; readonly seed: number };
  readonly maxRows?: number;
}

export const precisions = { PRECISION_F32: 'f32', PRECISION_BF16: 'bf16' } as const;
export type Precision = (typeof precisions)[keyof typeof precisions];

export const weightLoadings = {
  WEIGHT_LOADING_RESIDENT: 'resident',
  WEIGHT_LOADING_STREAMED: 'streamed',
} as const;
export type WeightLoading = (typeof weightLoadings)[keyof typeof weightLoadings];

const splitParts = { SPLIT_PART_TRAIN: 'train', SPLIT_PART_HELD_OUT: 'held-out' } as const;

export const defaultHeldOutRows = 64;
export const defaultSeed = 42;

/** The id a client chose for an operation; its form is checked by the manager. */
export const readOperationId = (request: Fields): string => request.requiredText('operationId', 128);

export const readMemoryBudget = (request: Fields): number | undefined =>
  request.integer('memoryBudgetBytes', { min: 1 });

export async function readDataset(fields: Fields, sources: SourceResolver): Promise<DatasetRequest> {
  const { path } = await sources.resolve(fields.required('source'));
  const split = fields.message('split');
  const part = split?.choice('part', splitParts);
  return {
    path,
    maxSeqLength: fields.integer('maxSeqLength', { min: 2 }),
    completionOnlyLoss: fields.boolean('completionOnlyLoss') ?? true,
    split:
      split === undefined || part === undefined
        ? undefined
        : {
            part,
            rows: split.integer('rows', { min: 1, max: 1_000_000 }) ?? defaultHeldOutRows,
            seed: split.integer('seed', { min: 0 }) ?? defaultSeed,
          },
    maxRows: fields.integer('maxRows', { min: 1 }),
  };
}

export async function readOptionalDataset(
  fields: Fields | undefined,
  sources: SourceResolver,
): Promise<DatasetRequest | undefined> {
  return fields === undefined ? undefined : readDataset(fields, sources);
}

export async function readOptionalSource(
  fields: Fields | undefined,
  sources: SourceResolver,
): Promise<string | undefined> {
  return fields === undefined ? undefined : (await sources.resolve(fields)).path;
}

/** A model or an emulator, of which exactly one must be named. */
export async function readWeights(
  request: Fields,
  sources: SourceResolver,
): Promise<{ readonly path: string; readonly kind: 'model' | 'emulator' }> {
  const emulator = request.message('emulator');
  if (emulator !== undefined) return { path: (await sources.resolve(emulator)).path, kind: 'emulator' };
  return { path: (await sources.resolve(request.required('model'))).path, kind: 'model' };
}
