/** Rows without a labelled token teach nothing, and measure nothing: seen before any work begins. */
import { EmlocError } from '@emloc/errors';
import { rowError } from './rows.ts';
import { ignoredLabel, type TokenizedRow } from './tokenize-rows.ts';

/** `every`: rows to learn from; `some`: rows to measure a loss on, where a row without labels adds nothing. */
export type LabelNeed = 'every' | 'some';

/** Throws NO_LABELLED_TOKENS, naming the row or the file. */
export function requireLabels(rows: readonly TokenizedRow[], need: LabelNeed): void {
  const bare = rows.filter(({ labels }) => labels.every((label) => label === ignoredLabel));
  const [first] = bare;
  if (first === undefined) return;
  if (need === 'every') {
    const mend = 'remove the row, or give it labels other than -100 (two tokens at least)';
    throw rowError(first, 'NO_LABELLED_TOKENS', 'no token of the row carries a loss', mend);
  }
  if (bare.length < rows.length) return;
  throw new EmlocError('INVALID_ARGUMENT', 'NO_LABELLED_TOKENS', `no row of ${first.file} carries a loss`, {
    field: first.file,
    value: first.file,
    mend: 'give labels other than -100',
  });
}
