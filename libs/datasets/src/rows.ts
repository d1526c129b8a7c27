/** The shapes a line of a data file may have. */
import { EmlocError } from '@emloc/errors';
import type { ChatMessage } from './tokenizer.ts';

/** Where a row stands, for every message about it. */
export interface RowPlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface MessagesRow extends RowPlace {
  readonly kind: 'messages';
  readonly messages: readonly ChatMessage[];
}

export interface CompletionRow extends RowPlace {
  readonly kind: 'completion';
  readonly prompt: string;
  readonly completion: string;
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

export type Row = MessagesRow | CompletionRow | TextRow | TokensRow;

/** An error about one row: its field is `file:line`. */
export function rowError(
  place: RowPlace,
  reason: string,
  problem: string,
  mend: string,
  value?: string,
): EmlocError {
  const at = `${place.file}:${place.line}`;
  return new EmlocError('INVALID_ARGUMENT', reason, `${at}: ${problem}`, { field: at, value, mend });
}
