/**
 * The rows of a request as token rows on disk: read, split, cut, tokenized and checked, before any work begins. They are
 * read from there by number, so that a data set may be larger than memory.
 */
import {
  datasetTokens,
  openDataset,
  sampleRows,
  splitHeldOut,
  tokenizeDataset,
  type LabelNeed,
  type Row,
  type TokenizedRow,
  type TokenRows,
} from '@emloc/datasets';
import { EmlocError } from '@emloc/errors';
import { loadTokenizer, type ModelDirectory, type TokenRow, type Tokenizer } from '@emloc/models';
import type { DatasetRequest } from '../requests/stage-fields.ts';

/** Rows by number; an array of rows will do as well. */
export class LoadedRows implements Disposable {
  readonly table: TokenRows;

  constructor(table: TokenRows) {
    this.table = table;
  }

  get length(): number {
    return this.table.length;
  }

  /** Of all rows together. */
  get tokens(): number {
    return this.table.tokens;
  }

  /** Tokens of the longest row. */
  get longest(): number {
    return this.table.longest;
  }

  /** Tokens of each row. */
  get lengths(): Int32Array {
    return this.table.lengths;
  }

  /** Tokens of each row that carry a loss. */
  get labelled(): Int32Array {
    return this.table.labelled;
  }

  at(row: number): TokenRow {
    return toTokenRow(this.table.at(row));
  }

  /** Rows `begin` up to but not `end`, in memory. */
  slice(begin = 0, end = this.length): TokenRow[] {
    return Array.from({ length: Math.max(0, end - begin) }, (_, i) => this.at(begin + i));
  }

  [Symbol.dispose](): void {
    this.table[Symbol.dispose]();
  }
}

export interface LoadOptions {
  /** Only so many of the rows, drawn with the seed. */
  readonly sample?: { readonly count: number; readonly seed: number };
  /** Whether every row, or some, must carry a loss. Default: none needs to. */
  readonly labels?: LabelNeed;
  /** Handed every row that is taken, as it stands in the file, too, where it is not packed of plain text. */
  readonly see?: SeeLoadedRow;
}

export type SeeLoadedRow = (tokens: TokenizedRow, row: Row | undefined, tokenizer?: Tokenizer) => void;

/** The caller's to dispose; a process that ends leaves nothing behind either way. */
export async function loadRows(
  dataset: DatasetRequest,
  model: ModelDirectory,
  { sample, labels, see }: LoadOptions = {},
): Promise<LoadedRows> {
  const { path, format, columns, maxSeqLength, lossOn, chatTemplate, split, maxRows } = dataset;
  let tokenizer: Tokenizer | undefined;
  const choosing = split !== undefined || sample !== undefined;
  const table = await tokenizeDataset(
    await openDataset(path, { format, columns }),
    datasetTokens(
      { maxSeqLength, lossOn, labels },
      model.config,
      () => (tokenizer = loadTokenizer(model.dir, { chatTemplate })),
    ),
    choosing ? { choose: (count) => draw(choose(count, dataset), sample) } : { maxRows },
    (tokens, row) => see?.(tokens, row, tokenizer),
  );
  return new LoadedRows(table);
}

export const toTokenRow = ({ inputIds, labels }: TokenizedRow): TokenRow => ({
  inputIds: Array.from(inputIds),
  labels: Array.from(labels),
});

/** Numbers of the rows of the split, the first so many. */
function choose(count: number, { path, split, maxRows }: DatasetRequest): readonly number[] {
  const chosen = split === undefined ? Array.from({ length: count }, (_, i) => i) : half(count, split);
  if (chosen.length === 0) {
    throw new EmlocError(
      'FAILED_PRECONDITION',
      'NO_HELD_OUT_ROWS',
      `${path} has too few rows to hold some out`,
      {
        field: 'dataset',
        value: String(count),
        mend: 'give more rows, or held-out rows in a file of their own',
      },
    );
  }
  return maxRows === undefined ? chosen : chosen.slice(0, maxRows);
}

function half(count: number, { part, rows, seed }: NonNullable<DatasetRequest['split']>): readonly number[] {
  const split = splitHeldOut(count, { rows, seed });
  return part === 'train' ? split.train : split.heldOut;
}

const draw = (rows: readonly number[], sample: LoadOptions['sample']): readonly number[] =>
  sample === undefined
    ? rows
    : sampleRows(rows.length, sample.count, sample.seed).map((i) => rows[i] as number);
