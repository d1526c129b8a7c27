/** Rows on disk, evaluated so many at a time: the figures are those of all of them together. */
import { evaluate, type Evaluation, type LoraAdapter, type SweepOptions } from '@emloc/emloc';
import type { TokenRow, WeightSource } from '@emloc/models';

/** Rows by number, and how long each is. */
export interface RowTable {
  readonly lengths: ArrayLike<number>;
  readonly labelled: ArrayLike<number>;
  slice(begin: number, end: number): readonly TokenRow[];
}

/** Tokens of rows that are held as numbers at once: some 16 MB. */
export const tokensAtOnce = 2 ** 20;

export async function evaluateInTurns(
  source: WeightSource,
  adapter: LoraAdapter | undefined,
  rows: RowTable,
  reporting: (before: number) => SweepOptions,
  maxTokens = tokensAtOnce,
): Promise<Evaluation> {
  const parts: Evaluation[] = [];
  const all = turns(rows.lengths.length, (row) => rows.lengths[row] as number, maxTokens);
  for (const [begin, end] of all) {
    // Rows without a label have no loss; where no row has one, the refusal is that of the whole.
    if (all.length > 1 && !hasLabels(rows, begin, end)) continue;
    parts.push(await evaluate(source, adapter, rows.slice(begin, end), reporting(begin)));
  }
  return parts.length === 0
    ? evaluate(source, adapter, rows.slice(0, 1), reporting(0))
    : combine(parts, rows.lengths.length);
}

/** Stretches `[begin, end)` of rows that have so many tokens together, or one row each. */
export function turns(
  count: number,
  tokensOf: (row: number) => number,
  maxTokens: number,
): [number, number][] {
  const found: [number, number][] = [];
  let begin = 0;
  let tokens = 0;
  for (let row = 0; row < count; row++) {
    tokens += tokensOf(row);
    if (tokens <= maxTokens && row + 1 < count) continue;
    found.push([begin, row + 1]);
    [begin, tokens] = [row + 1, 0];
  }
  return found;
}

function hasLabels({ labelled }: RowTable, begin: number, end: number): boolean {
  for (let row = begin; row < end; row++) if ((labelled[row] as number) > 0) return true;
  return false;
}

/** Means weighted by what they are means of. */
function combine(parts: readonly Evaluation[], rows: number): Evaluation {
  const [first] = parts;
  if (parts.length === 1 && first?.rows === rows) return first;
  const sum = (of: (part: Evaluation) => number): number => parts.reduce((n, part) => n + of(part), 0);
  const labelledTokens = sum((part) => part.labelledTokens);
  const loss = sum((part) => part.loss * part.labelledTokens) / labelledTokens;
  const exactRows = sum((part) => part.exactMatch?.rows ?? 0);
  const exact = sum((part) => (part.exactMatch?.accuracy ?? 0) * (part.exactMatch?.rows ?? 0));
  return {
    rows,
    labelledTokens,
    loss,
    perplexity: Math.exp(loss),
    tokenAccuracy: sum((part) => part.tokenAccuracy * part.labelledTokens) / labelledTokens,
    ...(exactRows === 0 ? {} : { exactMatch: { accuracy: exact / exactRows, rows: exactRows } }),
  };
}
