/**
 * Token rows as a micro-batch: ids one after the other without padding, the attention blocks and rotary tables that go
 * with them, and which rows predict which labels.
 *
 * What all rows begin with (a system prompt, an instruction) can be computed once: causal attention makes its hidden
 * states the same in each of them, and its gradient is the sum of what they ask for. Then the prefix comes first, and
 * after it every row's own tokens, which see it. Not for what must see or draw something for each token (Gram matrices,
 * dropout). The same mathematics; only the order of floating-point sums differs.
 *
 * Rows of nearly one length can be padded to one: then they are one attention block, and few shapes occur, which the
 * kernels and the allocator of the engine know already. Padding comes after a row, so nothing sees it, and it carries no loss.
 */
import { keep, tensor } from '@emloc/engine';
import { makeBatchContext } from './batch-context.ts';
import { checkRow, IGNORED_LABEL } from './check-row.ts';
import { ropeRegime } from './layers/rope-frequencies.ts';
import type { Batch, BatchContext, ModelOf, TokenRow } from './types.ts';

/** A shorter common prefix is computed with every row: what it saves is less than what more attention blocks cost. */
export const SHORTEST_SHARED_PREFIX = 8;

export interface BatchOptions {
  /** Compute what all rows begin with once. Default: no. */
  readonly sharePrefix?: boolean;
  /** Pad neighbours of nearly one length to one, a multiple of `LENGTH_STEP`. Default: no. */
  readonly padRows?: boolean;
}

/** Padded lengths, and prefixes shared by padded rows, are multiples of it. */
export const LENGTH_STEP = 8;

/** Neighbours are padded to one length as long as that adds at most this part of their tokens. */
const MOST_PADDING = 1 / 6;

/** Checks the rows against the model and makes a micro-batch of them; the caller disposes it. */
export const prepareBatch = (
  { architecture, config }: ModelOf,
  rows: readonly TokenRow[],
  dtype: 'f32' | 'f64' = 'f32',
  { sharePrefix = false, padRows = false }: BatchOptions = {},
): Batch => {
  rows.forEach((row, i) => checkRow(config, row, i));
  const common = sharePrefix
    ? sharedPrefix(
        { architecture, config },
        rows.map(({ inputIds }) => inputIds),
      )
    : 0;
  const prefix = padRows ? common - (common % LENGTH_STEP) : common;
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const own = lengths.map((length) => length - prefix);
  const padded = padRows ? paddedLengths(own) : own;
  const ids = rows.length === 0 ? [] : rows[0]!.inputIds.slice(0, prefix);
  const [targetRows, labels]: [number[], number[]] = [[], []];
  const labelCounts: number[] = [];
  rows.forEach(({ inputIds, labels: given }, i) => {
    const before = labels.length;
    const first = ids.length - prefix; // where the row's token 0 would lie, were the prefix its own
    for (let t = 1; given !== undefined && t < inputIds.length; t++) {
      const label = given[t]!;
      if (label === IGNORED_LABEL) continue;
      targetRows.push(t - 1 < prefix ? t - 1 : first + t - 1);
      labels.push(label);
    }
    labelCounts.push(labels.length - before);
    for (let t = prefix; t < inputIds.length; t++) ids.push(inputIds[t]!);
    padTo(ids, ids.length + padded[i]! - own[i]!);
  });
  const idle = padRows ? idleRows(ids.length) : 0;
  padTo(ids, ids.length + idle);
  return batchOf(
    ids,
    makeBatchContext(
      { architecture, config },
      padded.map((tokens, i) => ({ tokens, length: lengths[i]! })),
      dtype,
      prefix,
      idle,
    ),
    { prefix, lengths, labelCounts, targets: { rows: targetRows, labels } },
  );
};

/** Are tokens of sequences of these lengths turned alike? Else what they begin with is not the same to the model. */
export const areTurnedAlike = ({ architecture, config }: ModelOf, lengths: readonly number[]): boolean =>
  architecture
    .attentionKinds(config)
    .every(
      ({ rope }) =>
        rope === undefined || new Set(lengths.map((tokens) => ropeRegime(rope, tokens))).size <= 1,
    );

/** Any token of the vocabulary. */
const PADDING = 0;

/** Rows that nothing sees, up to so many ids. */
export const padTo = (ids: number[], length: number): void => {
  while (ids.length < length) ids.push(PADDING);
};

/** Micro-batches of some size are made multiples of so many rows: each number of rows has a set of kernels of its own. */
export const ROW_STEP = 64;

/** So that idle rows are never more than a sixth. */
export const idleRows = (rows: number): number => {
  const idle = (ROW_STEP - (rows % ROW_STEP)) % ROW_STEP;
  return idle <= rows * MOST_PADDING ? idle : 0;
};

/** For each length the multiple of `LENGTH_STEP` that it shares with neighbours of nearly the same length. */
export const paddedLengths = (lengths: readonly number[]): number[] => {
  const groups: number[][] = [];
  for (const length of lengths) {
    const last = groups.at(-1);
    if (last !== undefined && isWorthPadding([...last, length])) last.push(length);
    else groups.push([length]);
  }
  return groups.flatMap((group) => group.map(() => paddedTo(group)));
};

const isWorthPadding = (group: readonly number[]): boolean => {
  const tokens = group.reduce((sum, length) => sum + length, 0);
  return paddedTo(group) * group.length - tokens <= tokens * MOST_PADDING;
};

/** The length that all of these are padded to. */
export const paddedTo = (group: readonly number[]): number =>
  Math.ceil(Math.max(...group) / LENGTH_STEP) * LENGTH_STEP;

/** A micro-batch of these ids, whose owner is the batch from here on. */
export const batchOf = (
  ids: readonly number[],
  context: BatchContext,
  {
    prefix,
    lengths,
    labelCounts = lengths.map(() => 0),
    targets = { rows: [], labels: [] },
  }: {
    readonly prefix: number;
    readonly lengths: readonly number[];
    readonly labelCounts?: readonly number[];
    readonly targets?: { readonly rows: readonly number[]; readonly labels: readonly number[] };
  },
): Batch => {
  const own = keep(tensor(Int32Array.from(ids), [ids.length], 'i32'));
  return {
    ids: own,
    context,
    targets: { rows: Int32Array.from(targets.rows), labels: Int32Array.from(targets.labels) },
    rows: ids.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    prefix,
    lengths,
    labelCounts,
    dispose: () => {
      own.dispose();
      context.dispose();
    },
  };
};

/** How many tokens all sequences begin with, and can share, at least one of each left over; 0 where it is not worth it. */
export const sharedPrefix = (of: ModelOf, sequences: readonly (readonly number[])[]): number =>
  areTurnedAlike(
    of,
    sequences.map(({ length }) => length),
  )
    ? commonPrefix(sequences)
    : 0;

/** The same without a look at the model. */
export const commonPrefix = (sequences: readonly (readonly number[])[]): number => {
  if (sequences.length < 2) return 0;
  const first = sequences[0]!;
  const most = Math.min(...sequences.map(({ length }) => length)) - 1;
  let prefix = 0;
  while (prefix < most && sequences.every((ids) => ids[prefix] === first[prefix])) prefix++;
  return prefix < SHORTEST_SHARED_PREFIX ? 0 : prefix;
};
