/** The rows of a request as token rows: read, split, cut, tokenized and checked, before any work begins. */
import {
  openDataset,
  requireLabels,
  splitHeldOut,
  tokenizeRows,
  type LabelNeed,
  type Row,
  type TokenizedRow,
} from '@emloc/datasets';
import { EmlocError } from '@emloc/errors';
import { loadTokenizer, type ModelDirectory, type TokenRow, type Tokenizer } from '@emloc/models';
import type { DatasetRequest } from '../requests/stage-fields.ts';

export interface LoadedRows {
  readonly rows: readonly TokenRow[];
  readonly tokenized: readonly TokenizedRow[];
  /** As they stand in the file. */
  readonly raw: readonly Row[];
  readonly tokenizer: Tokenizer | undefined;
  readonly tokens: number;
  /** Tokens of the longest row. */
  readonly longest: number;
}

/** `labels`: whether every row, or some, must carry a loss; without it none has to. */
export async function loadRows(
  dataset: DatasetRequest,
  model: ModelDirectory,
  labels?: LabelNeed,
): Promise<LoadedRows> {
  const { rows: all, needsTokenizer } = await openDataset(dataset.path);
  const raw = select(all, dataset);
  const tokenizer = needsTokenizer ? loadTokenizer(model.dir) : undefined;
  const { vocabSize, maxPositionEmbeddings } = model.config;
  const tokenized = tokenizeRows(raw, tokenizer, {
    maxLength: dataset.maxSeqLength,
    truncate: dataset.maxSeqLength !== undefined,
    completionOnly: dataset.completionOnlyLoss,
    vocabSize,
    contextLength: maxPositionEmbeddings,
  });
  if (labels !== undefined) requireLabels(tokenized, labels);
  const rows = tokenized.map(toTokenRow);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  return {
    rows,
    tokenized,
    raw,
    tokenizer,
    tokens: lengths.reduce((a, b) => a + b, 0),
    longest: lengths.reduce((a, b) => Math.max(a, b), 0),
  };
}

export const toTokenRow = ({ inputIds, labels }: TokenizedRow): TokenRow => ({
  inputIds: Array.from(inputIds),
  labels: Array.from(labels),
});

function select(all: readonly Row[], { path, split, maxRows }: DatasetRequest): readonly Row[] {
  const chosen = split === undefined ? all : half(all, split);
  if (chosen.length === 0) {
    throw new EmlocError(
      'FAILED_PRECONDITION',
      'NO_HELD_OUT_ROWS',
      `${path} has too few rows to hold some out`,
      {
        field: 'dataset',
        value: String(all.length),
        mend: 'give more rows, or held-out rows in a file of their own',
      },
    );
  }
  return maxRows === undefined ? chosen : chosen.slice(0, maxRows);
}

function half(
  all: readonly Row[],
  { part, rows, seed }: NonNullable<DatasetRequest['split']>,
): readonly Row[] {
  const split = splitHeldOut(all.length, { rows, seed });
  const indices = part === 'train' ? split.train : split.heldOut;
  return indices.map((i) => all[i] as Row);
}
