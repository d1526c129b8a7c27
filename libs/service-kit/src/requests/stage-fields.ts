/** Fields that several contracts share, as the processes of operations want them: resolved, defaulted, plain JSON. */
import { detectFormat, type ColumnNames, type DataFormat, type LossOn } from '@emloc/datasets';
import { EmlocError } from '@emloc/errors';
import type { Fields } from './fields.ts';
import type { SourceResolver } from './sources.ts';

export interface DatasetRequest {
  readonly path: string;
  readonly maxSeqLength?: number;
  readonly format: DataFormat;
  readonly columns: ColumnNames;
  readonly lossOn: LossOn;
  /** Jinja text in place of the model's own template. */
  readonly chatTemplate?: string;
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

const dataFormats = {
  DATA_FORMAT_JSONL: 'jsonl',
  DATA_FORMAT_JSON: 'json',
  DATA_FORMAT_CSV: 'csv',
  DATA_FORMAT_TSV: 'tsv',
  DATA_FORMAT_PARQUET: 'parquet',
  DATA_FORMAT_TEXT: 'text',
} as const;
const lossTargets = {
  LOSS_ON_COMPLETION: 'completion',
  LOSS_ON_ASSISTANT: 'assistant',
  LOSS_ON_ALL: 'all',
} as const;
const maxColumnName = 1000;
const maxTemplate = 1024 * 1024;
const splitParts = { SPLIT_PART_TRAIN: 'train', SPLIT_PART_HELD_OUT: 'held-out' } as const;

export const defaultHeldOutRows = 64;
export const defaultSeed = 42;

/** The id a client chose for an operation; its form is checked by the manager. */
export const readOperationId = (request: Fields): string => request.requiredText('operationId', 128);

export const readMemoryBudget = (request: Fields): number | undefined =>
  request.integer('memoryBudgetBytes', { min: 1 });

export async function readDataset(fields: Fields, sources: SourceResolver): Promise<DatasetRequest> {
  const { path } = await sources.resolve(fields.required('source'));
  const columns = fields.message('columns');
  const column = (name: string): string | undefined => columns?.text(name, maxColumnName);
  const split = fields.message('split');
  const part = split?.choice('part', splitParts);
  return {
    path,
    maxSeqLength: fields.integer('maxSeqLength', { min: 2 }),
    // Told here, where the name is still known: a result's key holds the content's digest in its place.
    format: await formatOf(path, fields),
    columns: {
      messages: column('messages'),
      prompt: column('prompt'),
      completion: column('completion'),
      text: column('text'),
      tools: column('tools'),
    },
    lossOn: fields.choice('lossOn', lossTargets) ?? 'completion',
    chatTemplate: fields.text('chatTemplate', maxTemplate),
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

async function formatOf(path: string, fields: Fields): Promise<DataFormat> {
  try {
    return await detectFormat(path, fields.choice('format', dataFormats));
  } catch (error) {
    const isOfFormat = error instanceof EmlocError && /FORMAT$/.test(error.reason);
    throw isOfFormat ? error.with({ field: fields.pathOf('format') }) : error;
  }
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
