/** Seeded draws of rows: the calibration sample, and the rows held out from training. Both are in file order. */
import { seededRandom, shuffled } from './random.ts';

/** So that the sample and the held-out rows of one seed are drawn independently. */
const streams = { sample: 1, heldOut: 2 } as const;

/** `count` of the rows 0 … n−1, without replacement; all of them where there are no more. */
export function sampleRows(n: number, count: number, seed: number): number[] {
  return draw(n, count, seed, streams.sample);
}

export interface HeldOutSplit {
  readonly train: readonly number[];
  readonly heldOut: readonly number[];
}

/** Holds out min(`rows`, a tenth of all rows rounded up), but never the only row. */
export function splitHeldOut(
  n: number,
  options: { readonly rows?: number; readonly seed?: number } = {},
): HeldOutSplit {
  const { rows = 64, seed = 1 } = options;
  const heldOut = draw(n, Math.min(rows, Math.ceil(n / 10), n - 1), seed, streams.heldOut);
  const out = new Set(heldOut);
  return { heldOut, train: indices(n).filter((i) => !out.has(i)) };
}

const draw = (n: number, count: number, seed: number, stream: number): number[] =>
  count >= n
    ? indices(n)
    : shuffled(indices(n), seededRandom(seed, stream))
        .slice(0, count)
        .sort((a, b) => a - b);

export const indices = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
