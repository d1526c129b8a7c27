/** Rows → micro-batches for passes whose order does not matter: near in length, at most so many tokens each. */
import type { TokenRow } from '@emloc/models';

export interface PackedRows {
  readonly rows: readonly TokenRow[];
  /** Where each row stood in the list that was packed. */
  readonly indices: readonly number[];
}

/** Tokens of a micro-batch: enough to fill the multiplications, few enough for small activations. */
export const packedTokens = 256;

export function packRows(rows: readonly TokenRow[], maxTokens = packedTokens): PackedRows[] {
  const order = rows
    .map((row, index) => ({ row, index, tokens: row.inputIds.length }))
    .sort((a, b) => a.tokens - b.tokens || a.index - b.index);
  const packs: { rows: TokenRow[]; indices: number[]; tokens: number }[] = [];
  for (const { row, index, tokens } of order) {
    let pack = packs.at(-1);
    if (pack === undefined || pack.tokens + tokens > maxTokens) {
      packs.push((pack = { rows: [], indices: [], tokens: 0 }));
    }
    pack.rows.push(row);
    pack.indices.push(index);
    pack.tokens += tokens;
  }
  return packs;
}
