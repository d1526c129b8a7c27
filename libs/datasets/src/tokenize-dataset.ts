/**
 * A data file as rows of tokens, streamed: no more than one row is held as text. Rows that are too long, empty or cut
 * to nothing are counted before the first of them is complained about. Rows that a caller does not choose are read and
 * checked, but not turned into tokens.
 */
import { EmlocError } from '@emloc/errors';
import type { Dataset } from './open-dataset.ts';
import { packText } from './pack-text.ts';
import { LabelCheck, type LabelNeed } from './require-labels.ts';
import type { Row } from './rows.ts';
import type { ParsedRow } from './shapes/parse-row.ts';
import { TokenRowsWriter, type TokenRows } from './token-rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { required, tokensOf, type TokenizedRow, type TokenizeOptions } from './tokenize-rows.ts';

export interface DatasetTokens extends TokenizeOptions {
  /** Asked when a row first needs it: rows that are tokens already do not. */
  readonly tokenizer: () => TextTokenizer | undefined;
  /** Whether every row, or some, must carry a loss. Default: none needs to. */
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
}

/** Hands every row's tokens to `see` and keeps none. Gives how many rows were read. */
export async function scanDataset(
  dataset: Dataset,
  options: DatasetTokens,
  see: SeeRow,
  { chosen, maxRows = Infinity, tolerate }: ScanOptions = {},
): Promise<number> {
  const troubles = new Troubles(tolerate);
  const labels = new LabelCheck(options.labels);
  let seen = 0;
  if (dataset.format === 'text') {
    const place = { file: dataset.file, line: 1 };
    const tokenizer = required(options.tokenizer(), place);
    for await (const tokens of packText(dataset.file, tokenizer, options)) {
      see(tokens, undefined);
      if (++seen >= maxRows) break;
    }
    return seen;
  }
  let number = -1;
  for await (const parsed of dataset.rows()) {
    number++;
    if (chosen !== undefined && chosen[seen] !== number) continue;
    troubles.watch(() => {
      const { row } = parsed;
      const tokenizer = row.kind === 'tokens' ? undefined : options.tokenizer();
      const tokens = tokensOf(row, tokenizer, options);
      labels.see(tokens);
      see(tokens, parsed);
    });
    if (++seen >= Math.min(maxRows, chosen?.length ?? Infinity)) break;
  }
  troubles.complain(seen);
  labels.end(dataset.file);
  return seen;
}

/** Reasons of which a file has many if it has one: all are counted, so that one look at the file mends them. */
const countedReasons = new Set(['ROW_TOO_LONG', 'EMPTY_COMPLETION', 'CUT_AWAY_LABELS', 'NO_LABELLED_TOKENS']);

class Troubles {
  readonly #tolerate: ScanOptions['tolerate'];
  readonly #counts = new Map<string, { readonly first: EmlocError; rows: number }>();

  constructor(tolerate: ScanOptions['tolerate']) {
    this.#tolerate = tolerate;
  }

  /** Errors: those that are not counted, at once. */
  watch(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof EmlocError) || !countedReasons.has(error.reason)) throw error;
      if (this.#tolerate !== undefined) return this.#tolerate(error);
      const known = this.#counts.get(error.reason);
      if (known === undefined) this.#counts.set(error.reason, { first: error, rows: 1 });
      else known.rows++;
    }
  }

  /** Errors: the first of the commonest trouble, with how many rows of all have it. */
  complain(rows: number): void {
    const [worst] = [...this.#counts.values()].sort((a, b) => b.rows - a.rows);
    if (worst === undefined) return;
    const { first } = worst;
    if (worst.rows === 1) throw first;
    const message = `${first.message} (${worst.rows} of ${rows} rows are so)`;
    const { field, value, mend } = first;
    const metadata = { rows: String(worst.rows) };
    throw new EmlocError(first.code, first.reason, message, { field, value, mend, metadata, cause: first });
  }
}
