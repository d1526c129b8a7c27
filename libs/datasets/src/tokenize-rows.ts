/** Rows of any shape as token rows with labels, each checked against the model's vocabulary and context. */
import { EmlocError } from '@emloc/errors';
import { rowError, type Row, type RowPlace, type TokensRow } from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { tokenizeRow, type TokenSpan } from './tokenize-row.ts';

/** Marks a token that carries no loss. */
export const ignoredLabel = -100;

export interface TokenizeOptions {
  /** Cut at, or with `truncate: false` refuse over, so many tokens. */
  readonly maxLength?: number;
  readonly truncate?: boolean;
  /** Loss on the completion alone (default true); false: on every token. Pre-tokenized rows keep their labels. */
  readonly completionOnly?: boolean;
  /** Ids must be below it. */
  readonly vocabSize?: number;
  /** The model's limit; a row that is longer after all is refused. */
  readonly contextLength?: number;
}

export interface TokenizedRow extends RowPlace {
  readonly inputIds: Int32Array;
  /** `labels[t]` is learnt from the tokens before t; the first is always −100, since nothing stands before it. */
  readonly labels: Int32Array;
  /** What stands before the completion; empty where the row has no prompt. */
  readonly promptIds: Int32Array;
  /** The labelled run of tokens after the prompt. */
  readonly completionIds: Int32Array;
}

export function tokenizeRows(
  rows: Iterable<Row>,
  tokenizer: TextTokenizer | undefined,
  options: TokenizeOptions = {},
): TokenizedRow[] {
  return Array.from(rows, (row) => {
    if (row.kind === 'tokens') return finish(row, tokensSpan(row), row.labels, options);
    const completionOnly = options.completionOnly ?? true;
    const span = tokenizeRow(row, required(tokenizer, row), completionOnly);
    const labels = span.inputIds.map((id, i) =>
      completionOnly && (i < span.completionBegin || i >= span.completionEnd) ? ignoredLabel : id,
    );
    return finish(row, span, labels, options);
  });
}

export function required(tokenizer: TextTokenizer | undefined, place: RowPlace): TextTokenizer {
  if (tokenizer) return tokenizer;
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'NO_TOKENIZER',
    `${place.file}:${place.line} is text, but the model has no tokenizer`,
    {
      field: `${place.file}:${place.line}`,
      mend: 'put tokenizer.json into the model directory, or give pre-tokenized rows {"input_ids", "labels"}',
    },
  );
}

/** The completion of a pre-tokenized row: the first run of labels. */
function tokensSpan(row: TokensRow): TokenSpan {
  const begin = row.labels.findIndex((label, t) => t > 0 && label !== ignoredLabel);
  if (begin < 0)
    return {
      inputIds: row.inputIds,
      completionBegin: row.inputIds.length,
      completionEnd: row.inputIds.length,
    };
  const after = row.labels.findIndex((label, t) => t > begin && label === ignoredLabel);
  const completionBegin = begin === 1 && row.labels[0] !== ignoredLabel ? 0 : begin;
  return { inputIds: row.inputIds, completionBegin, completionEnd: after < 0 ? row.inputIds.length : after };
}

function finish(
  place: RowPlace,
  span: TokenSpan,
  labels: readonly number[],
  options: TokenizeOptions,
): TokenizedRow {
  checkIds(place, span.inputIds, labels, options.vocabSize ?? 2 ** 31);
  const length = lengthOf(place, span.inputIds.length, options);
  const inputIds = Int32Array.from(span.inputIds.slice(0, length));
  const ownLabels = Int32Array.from(labels.slice(0, length));
  ownLabels[0] = ignoredLabel;
  const hadLabels = labels.some((label, t) => t > 0 && label !== ignoredLabel);
  if (length < labels.length && hadLabels && ownLabels.every((label) => label === ignoredLabel)) {
    const problem = `cut to ${length} tokens, the row has nothing left to learn`;
    throw rowError(
      place,
      'CUT_AWAY_LABELS',
      problem,
      'raise --max-seq-length or shorten the prompt',
      String(labels.length),
    );
  }
  const { file, line } = place;
  const promptIds = inputIds.subarray(0, span.completionBegin);
  const completionIds = inputIds.subarray(span.completionBegin, span.completionEnd);
  return { file, line, inputIds, labels: ownLabels, promptIds, completionIds };
}

function lengthOf(place: RowPlace, tokens: number, options: TokenizeOptions): number {
  const { maxLength = Infinity, truncate = false, contextLength = Infinity } = options;
  const length = truncate ? Math.min(tokens, maxLength) : tokens;
  if (length > maxLength) {
    const problem = `${tokens} tokens, over the limit of ${maxLength}`;
    throw rowError(
      place,
      'ROW_TOO_LONG',
      problem,
      'raise the limit, allow rows to be cut, or shorten the row',
      String(tokens),
    );
  }
  if (length > contextLength) {
    const problem = `${length} tokens, over the model's context of ${contextLength}`;
    throw rowError(
      place,
      'ROW_TOO_LONG',
      problem,
      `set --max-seq-length ${contextLength} or less, or shorten the row`,
      String(tokens),
    );
  }
  return length;
}

function checkIds(
  place: RowPlace,
  ids: readonly number[],
  labels: readonly number[],
  vocabSize: number,
): void {
  if (ids.length === 0) throw rowError(place, 'NO_TOKENS', 'the row has no tokens', 'remove the row');
  const mend = `ids are 0 to ${vocabSize - 1} for this model; was the file made with another tokenizer?`;
  ids.forEach((id, t) => {
    if (id >= 0 && id < vocabSize) return;
    const problem =
      id < 0
        ? `token ${t} has the negative id ${id}`
        : `token ${t} has id ${id}, beyond the vocabulary of ${vocabSize}`;
    throw rowError(place, 'TOKEN_OUT_OF_RANGE', problem, mend, String(id));
  });
  labels.forEach((label, t) => {
    if (label === ignoredLabel || (label >= 0 && label < vocabSize)) return;
    const problem = `label ${t} is ${label}, neither -100 nor an id below ${vocabSize}`;
    throw rowError(place, 'LABEL_OUT_OF_RANGE', problem, mend, String(label));
  });
}
