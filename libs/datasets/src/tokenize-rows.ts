/** Rows of any shape as token rows with labels, each checked against the model's vocabulary and context. */
import { EmlocError } from '@emloc/errors';
import type { TokenSpan } from './encode.ts';
import { placeOf, rowError, type Row, type RowPlace, type TokensRow } from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { tokenizeRow, type LossOn } from './tokenize-row.ts';

/** Marks a token that carries no loss. */
export const ignoredLabel = -100;

export interface TokenizeOptions {
  /** Cut at, or with `truncate: false` refuse over, so many tokens. */
  readonly maxLength?: number;
  readonly truncate?: boolean;
  /** What carries a loss (default: the completion). Pre-tokenized rows keep their labels, texts are learnt whole. */
  readonly lossOn?: LossOn;
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
  /** The labelled run of tokens after the prompt: the last one, where there are several. */
  readonly completionIds: Int32Array;
}

export const tokenizeRows = (
  rows: Iterable<Row>,
  tokenizer: TextTokenizer | undefined,
  options: TokenizeOptions = {},
): TokenizedRow[] => Array.from(rows, (row) => tokensOf(row, tokenizer, options));

export function tokensOf(
  row: Row,
  tokenizer: TextTokenizer | undefined,
  options: TokenizeOptions,
): TokenizedRow {
  if (row.kind === 'tokens') return finishRow(row, tokensSpan(row), row.labels, options);
  const { lossOn = 'completion' } = options;
  const span = tokenizeRow(row, required(tokenizer, row), lossOn);
  return finishRow(row, span, labelsOf(span, lossOn), options);
}

function labelsOf(span: TokenSpan, lossOn: LossOn): readonly number[] {
  if (lossOn === 'all') return span.inputIds;
  const labels = new Array<number>(span.inputIds.length).fill(ignoredLabel);
  for (const [begin, end] of span.learnt ?? [[span.completionBegin, span.completionEnd]]) {
    for (let t = begin; t < end; t++) labels[t] = span.inputIds[t] as number;
  }
  return labels;
}

export function required(tokenizer: TextTokenizer | undefined, place: RowPlace): TextTokenizer {
  if (tokenizer) return tokenizer;
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'NO_TOKENIZER',
    `${placeOf(place)} is text, but the model has no tokenizer`,
    {
      field: placeOf(place),
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

/** Cut, checked and packed; `labels` may be the ids themselves. */
export function finishRow(
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
    const mend = 'raise --max-seq-length or shorten the prompt';
    throw rowError(place, 'CUT_AWAY_LABELS', problem, mend, String(labels.length));
  }
  const { file, line, unit } = place;
  const promptIds = inputIds.subarray(0, span.completionBegin);
  const completionIds = inputIds.subarray(span.completionBegin, span.completionEnd);
  const at = { file, line, ...(unit === undefined ? {} : { unit }) };
  return { ...at, inputIds, labels: ownLabels, promptIds, completionIds };
}

function lengthOf(place: RowPlace, tokens: number, options: TokenizeOptions): number {
  const { maxLength = Infinity, truncate = false, contextLength = Infinity } = options;
  const length = truncate ? Math.min(tokens, maxLength) : tokens;
  const tooLong = (problem: string, mend: string): EmlocError =>
    rowError(place, 'ROW_TOO_LONG', problem, mend, String(tokens));
  if (length > maxLength) {
    const mend = 'raise the limit, allow rows to be cut, or shorten the row';
    throw tooLong(`${tokens} tokens, over the limit of ${maxLength}`, mend);
  }
  if (length > contextLength) {
    const mend = `set --max-seq-length ${contextLength} or less to cut rows, or shorten them`;
    throw tooLong(`${length} tokens, over the model's context of ${contextLength}`, mend);
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
