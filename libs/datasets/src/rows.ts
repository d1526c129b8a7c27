/** The shapes a row of a data file may have. */
import { EmlocError } from '@emloc/errors';
import type { ChatMessage } from './tokenizer.ts';

/** Where a row stands, for every message about it. */
export interface RowPlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** What `line` counts: lines of a text (default), or rows where the file has no lines. */
  readonly unit?: 'row';
}

export interface MessagesRow extends RowPlace {
  readonly kind: 'messages';
  readonly messages: readonly ChatMessage[];
  /** Descriptions of tools, handed to the chat template as they are. */
  readonly tools?: readonly unknown[];
}

export interface CompletionRow extends RowPlace {
  readonly kind: 'completion';
  readonly prompt: string;
  readonly completion: string;
}

/** Alpaca's shape: a turn of the chat template where the model has one, the prompt of the Alpaca paper elsewhere. */
export interface InstructionRow extends RowPlace {
  readonly kind: 'instruction';
  readonly instruction: string;
  /** Empty where the instruction needs none. */
  readonly input: string;
  readonly output: string;
  readonly system?: string;
}

export interface TextRow extends RowPlace {
  readonly kind: 'text';
  readonly text: string;
}

/** Tokens already; nothing is added to them. */
export interface TokensRow extends RowPlace {
  readonly kind: 'tokens';
  readonly inputIds: readonly number[];
  /** −100 where no loss; the ids themselves where the line gives none. */
  readonly labels: readonly number[];
}

export type Row = MessagesRow | CompletionRow | InstructionRow | TextRow | TokensRow;

/** `file:line`, or `file row 3` where a file has no lines. */
export const placeOf = ({ file, line, unit }: RowPlace): string =>
  unit === 'row' ? `${file} row ${line}` : `${file}:${line}`;

/** An error about one row: its field is the row's place. */
export function rowError(
  place: RowPlace,
  reason: string,
  problem: string,
  mend: string,
  value?: string,
): EmlocError {
  const at = placeOf(place);
  return new EmlocError('INVALID_ARGUMENT', reason, `${at}: ${problem}`, { field: at, value, mend });
}

/** An error about the file as a whole: its field and value are the file. */
export const fileError = (file: string, reason: string, problem: string, mend: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', reason, `${file} ${problem}`, { field: file, value: file, mend });

/** A value of a row, short enough for a message. */
export const show = (value: unknown): string => excerpt(JSON.stringify(value) ?? 'nothing');

export const excerpt = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
