/** Rows of different lengths as one rectangle, padded on the right. The models here need none; other clients may. */
import { ignoredLabel } from './tokenize-rows.ts';

export interface PaddedBatch {
  /** [B, T], row-major. */
  readonly ids: Int32Array;
  /** [B, T]; −100 in the padding. */
  readonly labels: Int32Array;
  /** [B]: the real tokens of each row. */
  readonly lengths: Int32Array;
  readonly shape: readonly [number, number];
}

export function padBatch(
  rows: readonly { readonly inputIds: ArrayLike<number>; readonly labels: ArrayLike<number> }[],
  options: { readonly padId: number; /** T is a multiple of it. */ readonly multiple?: number },
): PaddedBatch {
  const { padId, multiple = 1 } = options;
  const longest = Math.max(0, ...rows.map((row) => row.inputIds.length));
  const T = Math.ceil(longest / multiple) * multiple;
  const ids = new Int32Array(rows.length * T).fill(padId);
  const labels = new Int32Array(rows.length * T).fill(ignoredLabel);
  rows.forEach((row, b) => {
    ids.set(row.inputIds, b * T);
    labels.set(row.labels, b * T);
  });
  return {
    ids,
    labels,
    lengths: Int32Array.from(rows, (row) => row.inputIds.length),
    shape: [rows.length, T],
  };
}
