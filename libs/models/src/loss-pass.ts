/** The loss of micro-batches from their hidden states, all of them in one visit to the output matrix. */
import { concat, keep, scatterAdd, split, tensor, tidy, zeros, type Tensor } from '@emloc/engine';
import { gatherRows, headLoss, type HeadLossOptions } from './head.ts';
import type { Batch, WeightSource } from './types.ts';

export interface MicroLoss {
  /** −Σ of the log-probabilities. */
  readonly lossSum: number;
  /** Labelled tokens. */
  readonly count: number;
  /** By labelled token, in the order of `batch.targets`. */
  readonly logProbs: Float64Array;
  readonly matches: Uint8Array | undefined;
}

export interface LossResult {
  readonly lossSum: number;
  readonly count: number;
  readonly micro: readonly MicroLoss[];
  /** `dHidden[micro]` [N, D], owned by the caller; empty unless `gradientScale` was given. */
  readonly dHidden: Tensor[];
}

export const lossPass = (
  source: WeightSource,
  batches: readonly Batch[],
  hidden: readonly Tensor[],
  options: HeadLossOptions = {},
): LossResult =>
  tidy(() => {
    const counts = batches.map(({ targets }) => targets.labels.length);
    const count = counts.reduce((a, b) => a + b, 0);
    const labels = Int32Array.from(batches.flatMap(({ targets }) => [...targets.labels]));
    const labelled = batches.flatMap(({ targets }, i) =>
      targets.rows.length === 0 ? [] : [gatherRows(hidden[i]!, targets.rows)],
    );
    const { logProbs, matches, dh } =
      count === 0
        ? {
            logProbs: new Float64Array(0),
            matches: options.matches ? new Uint8Array(0) : undefined,
            dh: undefined,
          }
        : source.withHead((head) => headLoss(source, concat(labelled, 0), labels, head, options));

    let first = 0;
    const micro = counts.map((n): MicroLoss => {
      const own = logProbs.subarray(first, first + n);
      const result = { count: n, logProbs: own, matches: matches?.subarray(first, first + n) };
      first += n;
      return { lossSum: -own.reduce((a, b) => a + b, 0), ...result };
    });
    return {
      lossSum: micro.reduce((sum, m) => sum + m.lossSum, 0),
      count,
      micro,
      dHidden: options.gradientScale === undefined ? [] : spread(source, batches, counts, dh).map(keep),
    };
  });

/** Gradients of the labelled rows [n, D] into those of all rows, micro-batch by micro-batch. */
const spread = (
  { config, activationDtype }: WeightSource,
  batches: readonly Batch[],
  counts: readonly number[],
  dh: Tensor | undefined,
): Tensor[] => {
  const parts = dh === undefined ? [] : counts.length === 1 ? [dh] : split(dh, counts, 0);
  return batches.map(({ rows, targets }, i) =>
    tidy(() => {
      const none = zeros([rows, config.hiddenSize], activationDtype);
      if (counts[i] === 0) return none;
      return scatterAdd(none, tensor(targets.rows, [counts[i]!], 'i32'), parts[i]!);
    }),
  );
};
