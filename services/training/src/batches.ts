/** The rows of each step, and the largest micro-batch among them: what the memory of a training hangs on. */
import { planBatches, type BatchPlan } from '@emloc/datasets';
import { totalSteps, type TrainingOptions } from '@emloc/emloc';

/** What is known of the rows without reading them. */
export interface RowSizes {
  /** Tokens of each row. */
  readonly lengths: ArrayLike<number>;
  /** Tokens of each row that carry a loss. */
  readonly labelled: ArrayLike<number>;
}

export interface Batches {
  readonly plan: BatchPlan;
  readonly totalSteps: number;
  /** Tokens of the largest micro-batch. */
  readonly microBatchTokens: number;
  readonly microBatches: number;
  /** Labelled tokens of the step that has most. */
  readonly labelledTokens: number;
  readonly longest: number;
}

/** Steps beyond this many repeat the rows of the steps before often enough. */
const looksAtSteps = 20_000;

export function batchesOf({ lengths, labelled }: RowSizes, options: TrainingOptions, startStep = 0): Batches {
  const plan = planBatches(lengths, {
    batchSize: options.perDeviceTrainBatchSize * options.gradientAccumulationSteps,
    microBatchSize: options.perDeviceTrainBatchSize,
    shuffle: options.shuffle,
    groupByLength: options.groupByLength,
    seed: options.seed,
  });
  const steps = totalSteps(options, plan.stepsPerEpoch);
  const most = { microBatchTokens: 0, microBatches: 0, labelledTokens: 0, longest: 0 };
  const sumOf = (numbers: ArrayLike<number>, of: readonly number[]): number =>
    of.reduce((sum, row) => sum + (numbers[row] ?? 0), 0);
  for (let step = startStep; step < startStep + Math.min(steps, looksAtSteps); step += 1) {
    const { microBatches, rows: all } = plan.at(step);
    most.microBatches = Math.max(most.microBatches, microBatches.length);
    most.labelledTokens = Math.max(most.labelledTokens, sumOf(labelled, all));
    for (const micro of microBatches) {
      most.microBatchTokens = Math.max(most.microBatchTokens, sumOf(lengths, micro));
      for (const row of micro) most.longest = Math.max(most.longest, lengths[row] ?? 0);
    }
  }
  return { plan, totalSteps: steps, ...most };
}
