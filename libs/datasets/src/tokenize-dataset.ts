/**
 * A data file as rows of tokens, streamed: no more than one row is held as text. Rows that are too long, empty or cut
 * to nothing are counted before the first of them is complained about. Rows that a caller does not choose are read and
 * checked, but not turned into tokens.
 */
import type { EmlocError } from '@emloc/errors';
import { LengthBound } from './length-bound.ts';
import type { Dataset } from './open-dataset.ts';
import { packText } from './pack-text.ts';
import { LabelCheck, type LabelNeed } from './require-labels.ts';
import type { Row } from './rows.ts';
import type { ParsedRow } from './shapes/parse-row.ts';
import { TokenRowsWriter, type TokenRows } from './token-rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { checkAnswered, type LossOn } from './tokenize-row.ts';
import { required, tokensOf, type TokenizedRow, type TokenizeOptions } from './tokenize-rows.ts';
import { Troubles } from './troubles.ts';

export interface DatasetTokens extends TokenizeOptions {
  /** Asked when a row first needs it: rows that are tokens already do not. */
  readonly tokenizer: () => TextTokenizer | undefined;
  /** Whether every row, or some, must carry a loss. Default: none needs to. */
  readonly labels?: LabelNeed;
}

/** What was asked for, and what the model takes: how rows become tokens, wherever they are read. */
export function datasetTokens(
  { maxSeqLength, lossOn, labels }: AskedTokens,
  {
    vocabSize,
    maxPositionEmbeddings,
  }: { readonly vocabSize: number; readonly maxPositionEmbeddings: number },
  loadTokenizer: () => TextTokenizer | undefined,
): DatasetTokens {
  let loaded: { readonly tokenizer: TextTokenizer | undefined } | undefined;
  return {
    maxLength: maxSeqLength,
    truncate: maxSeqLength !== undefined,
    lossOn,
    labels,
    vocabSize,
    contextLength: maxPositionEmbeddings,
    tokenizer: () => (loaded ??= { tokenizer: loadTokenizer() }).tokenizer,
  };
}

export interface AskedTokens {
  /** Rows are cut at so many tokens; default: rows beyond the model's context are refused. */
  readonly maxSeqLength?: number;
  readonly lossOn?: LossOn;
  readonly labels?: LabelNeed;
}

export interface RowSelection {
  /** Row numbers, ascending, of so many rows that there are. Default: all. */
  readonly choose?: (count: number) => readonly number[];
  /** Only the first so many of them. */
  readonly maxRows?: number;
}

/** Every row that is read, with its tokens, to look at; the rows' order. Plain text has no row but its tokens. */
export type SeeRow = (tokens: TokenizedRow, parsed: ParsedRow | undefined) => void;

/** The chosen rows on disk; the caller's to dispose. */
export async function tokenizeDataset(
  dataset: Dataset,
  options: DatasetTokens,
  { choose, maxRows = Infinity }: RowSelection = {},
  see?: (tokens: TokenizedRow, row: Row | undefined) => void,
): Promise<TokenRows> {
  const isText = dataset.format === 'text';
  const chosen = isText || choose === undefined ? undefined : choose(await countRows(dataset));
  const writer = new TokenRowsWriter();
  try {
    await scanDataset(
      dataset,
      options,
      (tokens, parsed) => {
        writer.add(tokens);
        see?.(tokens, parsed?.row);
      },
      {
        chosen: chosen?.slice(0, maxRows),
        // Which rows of packed text are chosen is known when there are no more.
        maxRows: isText && choose !== undefined ? Infinity : maxRows,
      },
    );
    const all = writer.finish();
    return isText && choose !== undefined ? all.pick(choose(all.length).slice(0, maxRows)) : all;
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** The number of rows, each parsed. */
async function countRows(dataset: Dataset): Promise<number> {
  let count = 0;
  for await (const _ of dataset.rows()) count++;
  return count;
}

export interface ScanOptions {
  /** Numbers of the rows, ascending. Default: all. */
  readonly chosen?: readonly number[];
  readonly maxRows?: number;
  /** Told of each row that is too long, empty or cut to nothing, which then are no error. */
  readonly tolerate?: (error: EmlocError) => void;
  /**
   * Rows after the first so many become tokens, and are seen, only where they may be too long; of the others the shape
   * is looked at, and whether there is an answer. Default: all become tokens.
   */
  readonly tokenizeFirst?: number;
  /** Told of each row that was read, by how many there were; what it throws ends the reading. */
  readonly onRow?: (rows: number) => void;
}

/** Hands the rows' tokens to `see` and keeps none. Gives how many rows were read. */
export async function scanDataset(
  dataset: Dataset,
  options: DatasetTokens,
  see: SeeRow,
  { chosen, maxRows = Infinity, tolerate, tokenizeFirst = Infinity, onRow }: ScanOptions = {},
): Promise<number> {
  const troubles = new Troubles(tolerate);
  const labels = new LabelCheck(options.labels);
  let seen = 0;
  if (dataset.format === 'text') {
    const place = { file: dataset.file, line: 1 };
    const tokenizer = required(options.tokenizer(), place);
    for await (const tokens of packText(dataset.file, tokenizer, options)) {
      see(tokens, undefined);
      seen++;
      onRow?.(seen);
      if (seen >= maxRows) break;
    }
    return seen;
  }
  const bound = new LengthBound(longestAllowed(options));
  let number = -1;
  for await (const parsed of dataset.rows()) {
    number++;
    if (chosen !== undefined && chosen[seen] !== number) continue;
    const { row } = parsed;
    troubles.watch(() => {
      // A text of no or one character may have nothing to learn, which its tokens tell.
      const isTiny = row.kind === 'text' && row.text.length < 2;
      if (seen >= tokenizeFirst && row.kind !== 'tokens' && !isTiny && bound.clears(row)) {
        checkAnswered(row, options.lossOn);
        return labels.assume();
      }
      const tokenizer = row.kind === 'tokens' ? undefined : options.tokenizer();
      const tokens = tokensOf(row, tokenizer, options);
      bound.learn(row, tokens.inputIds.length);
      labels.see(tokens);
      see(tokens, parsed);
    });
    seen++;
    onRow?.(seen);
    if (seen >= Math.min(maxRows, chosen?.length ?? Infinity)) break;
  }
  troubles.complain(seen);
  labels.end(dataset.file);
  return seen;
}

/** Tokens; infinite where rows are cut to what the model takes. */
function longestAllowed({
  maxLength = Infinity,
  truncate = false,
  contextLength = Infinity,
}: TokenizeOptions): number {
  if (!truncate) return Math.min(maxLength, contextLength);
  return maxLength <= contextLength ? Infinity : contextLength;
}
