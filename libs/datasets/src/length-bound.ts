/**
 * How many tokens a row can have at most, told without making them: a token stands for a byte of text or more, and what
 * a chat template adds is fewer tokens than a row's JSON has quotes and names, but for what the first rows show (a
 * system's turn, descriptions of tools). Limits: a template that adds much to later rows only, or a normalizer that
 * makes text longer, is not foreseen; whoever must be sure makes the tokens.
 */
import type { Row } from './rows.ts';

/** For what the rows that were looked at did not show. */
const marginTokens = 64;

export class LengthBound {
  readonly #limit: number;
  #added = 0;

  /** `limit`: the most tokens that a row may have. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes note of what this row's template added. */
  learn(row: Row, tokens: number): void {
    if (this.#limit < Infinity) this.#added = Math.max(this.#added, tokens - jsonBytes(row));
  }

  /** Whether the row is short enough, whatever its tokens are. */
  clears(row: Row): boolean {
    return this.#limit === Infinity || jsonBytes(row) + this.#added + marginTokens <= this.#limit;
  }
}

const jsonBytes = (row: Row): number => Buffer.byteLength(JSON.stringify(row));
