/**
 * Which rows each optimizer step takes, cut into micro-batches of rows near in length. A plan is a function of its
 * options: any step can be asked for, so training resumes at a step's number and nothing else. An epoch's last batch
 * may be smaller; the next epoch begins anew, in an order of its own.
 *
 * Grouping by length is that of transformers (`group_by_length`): the shuffled rows in stretches of up to 50 batches,
 * each sorted by length, the longest row of all first, so that a batch that does not fit the memory fails at once.
 */
import { EmlocError } from '@emloc/errors';
import { seededRandom, shuffled } from './random.ts';
import { indices } from './sample-rows.ts';

export interface BatchOptions {
  /** Rows of one optimizer step, all micro-batches together. */
  readonly batchSize: number;
  /** Rows that go through the model at once; default: the batch. */
  readonly microBatchSize?: number;
  /** A new order each epoch (default true); false: file order, whatever `groupByLength` says. */
  readonly shuffle?: boolean;
  readonly groupByLength?: boolean;
  readonly seed?: number;
  /** How far to go: steps win over epochs; default one epoch. Part of an epoch is allowed. */
  readonly steps?: number;
  readonly epochs?: number;
}

export interface BatchStep {
  /** From 0. */
  readonly step: number;
  readonly epoch: number;
  readonly rows: readonly number[];
  /** The same rows, long ones first, each micro-batch near in length. */
  readonly microBatches: readonly (readonly number[])[];
}

export interface BatchPlan {
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  at(step: number): BatchStep;
  /** The steps from `first` to the end. */
  from(first: number): IterableIterator<BatchStep>;
}

/** Batches per stretch that is sorted, and how many stretches there shall be at least. */
const stretch = { batches: 50, count: 4 } as const;

/** `lengths[i]`: tokens of row i. */
export function planBatches(lengths: ArrayLike<number>, options: BatchOptions): BatchPlan {
  const { batchSize, microBatchSize = batchSize } = options;
  checkCount('batch size', batchSize);
  checkCount('micro-batch size', microBatchSize);
  if (lengths.length === 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'EMPTY_DATASET', 'there are no rows to train on', {
      field: 'data',
    });
  }
  const stepsPerEpoch = Math.ceil(lengths.length / batchSize);
  const totalSteps = options.steps ?? Math.ceil((options.epochs ?? 1) * stepsPerEpoch);
  let cached: { epoch: number; order: number[] } | undefined;
  const orderOf = (epoch: number): number[] => {
    if (cached?.epoch !== epoch) cached = { epoch, order: epochOrder(lengths, epoch, options) };
    return cached.order;
  };
  const at = (step: number): BatchStep => {
    const epoch = Math.floor(step / stepsPerEpoch);
    const begin = (step % stepsPerEpoch) * batchSize;
    const rows = orderOf(epoch).slice(begin, begin + batchSize);
    return { step, epoch, rows, microBatches: chunks(byLength(rows, lengths), microBatchSize) };
  };
  function* from(first: number): IterableIterator<BatchStep> {
    for (let step = first; step < totalSteps; step++) yield at(step);
  }
  return { stepsPerEpoch, totalSteps, at, from };
}

function epochOrder(lengths: ArrayLike<number>, epoch: number, options: BatchOptions): number[] {
  const all = indices(lengths.length);
  if (options.shuffle === false) return all;
  const order = shuffled(all, seededRandom(options.seed ?? 1, epoch));
  return options.groupByLength ? groupByLength(order, lengths, options.batchSize) : order;
}

function groupByLength(order: readonly number[], lengths: ArrayLike<number>, batchSize: number): number[] {
  const batches = Math.min(Math.floor(order.length / (batchSize * stretch.count)), stretch.batches) || 1;
  const grouped = chunks(order, batches * batchSize).flatMap((part) => byLength(part, lengths));
  const longest = grouped.reduce((best, row, i) => (lengths[row]! > lengths[grouped[best]!]! ? i : best), 0);
  [grouped[0], grouped[longest]] = [grouped[longest]!, grouped[0]!];
  return grouped;
}

/** Longest first; rows of one length stay in order. */
const byLength = (rows: readonly number[], lengths: ArrayLike<number>): number[] =>
  [...rows].sort((a, b) => lengths[b]! - lengths[a]!);

const chunks = (rows: readonly number[], size: number): number[][] =>
  Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => rows.slice(i * size, (i + 1) * size));

function checkCount(what: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new EmlocError('INVALID_ARGUMENT', 'BAD_BATCH_SIZE', `the ${what} is ${value}`, {
    field: what,
    value: String(value),
    mend: 'give a whole number of 1 or more',
  });
}
