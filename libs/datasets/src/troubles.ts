/** Reasons of which a file has many if it has one: all are counted, so that one look at the file mends them. */
import { EmlocError } from '@emloc/errors';

const countedReasons = new Set(['ROW_TOO_LONG', 'EMPTY_COMPLETION', 'CUT_AWAY_LABELS', 'NO_LABELLED_TOKENS']);

export class Troubles {
  readonly #tolerate: ((error: EmlocError) => void) | undefined;
  readonly #counts = new Map<string, { readonly first: EmlocError; rows: number }>();

  /** `tolerate`: told of each row that has one of these reasons, which then is no error. */
  constructor(tolerate?: (error: EmlocError) => void) {
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
