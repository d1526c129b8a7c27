/** Rows without a labelled token teach nothing, and measure nothing: seen before any work begins. */
import { EmlocError } from '@emloc/errors';
import { rowError } from './rows.ts';
import { ignoredLabel, type TokenizedRow } from './tokenize-rows.ts';

/** `every`: rows to learn from; `some`: rows to measure a loss on, where a row without labels adds nothing. */
export type LabelNeed = 'every' | 'some';

/** Looks at rows one after the other. */
export class LabelCheck {
  readonly #need: LabelNeed | undefined;
  #rows = 0;
  #bare = 0;

  /** Nothing needed: nothing is refused. */
  constructor(need: LabelNeed | undefined) {
    this.#need = need;
  }

  /** Throws NO_LABELLED_TOKENS at a row without a label, where every row needs one. */
  see(row: TokenizedRow): void {
    this.#rows++;
    if (!row.labels.every((label) => label === ignoredLabel)) return;
    this.#bare++;
    if (this.#need !== 'every') return;
    const mend = 'remove the row, or give it labels other than -100 (two tokens at least)';
    throw rowError(row, 'NO_LABELLED_TOKENS', 'no token of the row carries a loss', mend);
  }

  /** A row of text, whose tokens were not made: it is taken to have something to learn. */
  assume(): void {
    this.#rows++;
  }

  /** Throws NO_LABELLED_TOKENS where some row needs a label and none has one. */
  end(file: string): void {
    if (this.#need !== 'some' || this.#bare < this.#rows || this.#rows === 0) return;
    throw new EmlocError('INVALID_ARGUMENT', 'NO_LABELLED_TOKENS', `no row of ${file} carries a loss`, {
      field: file,
      value: file,
      mend: 'give labels other than -100',
    });
  }
}
