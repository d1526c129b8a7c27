/** Which rows each step trains on: a pure function of the step, so that a run can go on from any step. */
import type { TokenRow } from '@emloc/models';

export interface TrainingPlan {
  /** Optimizer steps of one pass over the training set. */
  readonly stepsPerEpoch: number;
  /** The micro-batches of optimizer step `step`, counted from 0 and on through all epochs. */
  batchAt(step: number): readonly (readonly TokenRow[])[];
  /** Changes when the rows or their order do; a checkpoint of another plan is refused. */
  readonly digest?: string;
}

/** A plan over row numbers, as `@emloc/datasets` makes it. */
export interface IndexPlan {
  readonly stepsPerEpoch: number;
  at(step: number): { readonly microBatches: readonly (readonly number[])[] };
}

/** Rows by number: an array, or a table that reads them from disk. */
export interface RowTable {
  at(row: number): TokenRow | undefined;
}

export function planOfRows(rows: RowTable, plan: IndexPlan, digest?: string): TrainingPlan {
  return {
    stepsPerEpoch: plan.stepsPerEpoch,
    batchAt: (step) =>
      plan.at(step).microBatches.map((micro) => micro.map((row) => rows.at(row) as TokenRow)),
    digest,
  };
}

/** The same batches again and again, in order: for tests and for data that is batched already. */
export function cyclicPlan(batches: readonly (readonly (readonly TokenRow[])[])[]): TrainingPlan {
  return {
    stepsPerEpoch: batches.length,
    batchAt: (step) => batches[step % batches.length] as readonly (readonly TokenRow[])[],
  };
}
