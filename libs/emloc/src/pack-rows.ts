/** Rows → micro-batches for passes whose order does not matter: near in length, at most so many tokens each. */
import { groupsUpTo, type TokenRow } from '@emloc/models';

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
  return groupsUpTo(order, maxTokens, ({ tokens }) => tokens).map((group) => ({
    rows: group.map(({ row }) => row),
    indices: group.map(({ index }) => index),
  }));
}
