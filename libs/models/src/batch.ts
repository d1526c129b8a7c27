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
import { keep, tensor, type Tensor } from '@emloc/engine';
import { checkRow, IGNORED_LABEL } from './check-row.ts';
import { causalMask, maskOf } from './layers/mask.ts';
import { ropeFrequencies, ropeTables } from './layers/rope.ts';
import type { AttentionBlock, Batch, BatchContext, ModelConfig, TokenRow } from './types.ts';

/** Above this many tokens a causal mask is not made whole (4 MiB in f32 here). */
const LONGEST_WHOLE_MASK = 1024;

/** A shorter common prefix is computed with every row: what it saves is less than what more attention blocks cost. */
export const SHORTEST_SHARED_PREFIX = 8;

/** One sequence as attention sees it (without a shared prefix); plain causal text needs only its length. */
export interface SequenceLayout {
  readonly tokens: number;
  /** Default: from the end of the shared prefix on (0, 1, 2, … where there is none). */
  readonly positions?: readonly number[];
  /** May query i see key j? Default: j ≤ i. */
  readonly visible?: (query: number, key: number) => boolean;
}

/**
 * Consecutive causal sequences of one length become one block; causal masks of one length are shared. The first
 * `prefix` rows are a causal block of their own, which all sequences continue.
 */
export const makeBatchContext = (
  config: ModelConfig,
  sequences: readonly SequenceLayout[],
  dtype: 'f32' | 'f64' = 'f32',
  prefix = 0,
): BatchContext => {
  const owned: Tensor[] = [];
  const own = (t: Tensor): Tensor => {
    owned.push(keep(t));
    return t;
  };
  const causal = new Map<string, Tensor>();
  const causalFor = (tokens: number, before: number): Tensor | undefined => {
    const keys = before + tokens;
    if (keys > LONGEST_WHOLE_MASK) return undefined;
    const name = `${before}+${tokens}`;
    let mask = causal.get(name);
    if (mask === undefined) causal.set(name, (mask = own(causalMask(keys, dtype, before, tokens))));
    return mask;
  };

  const blocks: AttentionBlock[] = [];
  const positions: number[] = [];
  if (prefix > 0) {
    blocks.push({ firstRow: 0, sequences: 1, tokens: prefix, mask: causalFor(prefix, 0) });
    for (let t = 0; t < prefix; t++) positions.push(t);
  }
  const shared = blocks.length;
  for (const { tokens, visible, positions: given } of sequences) {
    const last = blocks.length > shared ? blocks.at(-1) : undefined;
    const mask =
      visible === undefined ? causalFor(tokens, prefix) : own(maskOf(tokens, visible, dtype, prefix));
    if (last !== undefined && last.tokens === tokens && last.mask === mask)
      blocks[blocks.length - 1] = { ...last, sequences: last.sequences + 1 };
    else blocks.push({ firstRow: positions.length, sequences: 1, tokens, prefix, mask });
    for (let t = 0; t < tokens; t++) positions.push(given?.[t] ?? prefix + t);
  }

  const frequencies = ropeFrequencies(config.rope, config.headDim);
  const queryRope = ropeTables(frequencies, positions, 1 / Math.sqrt(config.headDim), dtype);
  const keyRope = ropeTables(frequencies, positions, 1, dtype);
  for (const t of [queryRope.cos, queryRope.sin, keyRope.cos, keyRope.sin]) own(t);
  return {
    rows: positions.length,
    blocks,
    queryRope,
    keyRope,
    dispose: () => owned.forEach((t) => t.dispose()),
  };
};

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
  config: ModelConfig,
  rows: readonly TokenRow[],
  dtype: 'f32' | 'f64' = 'f32',
  { sharePrefix = false, padRows = false }: BatchOptions = {},
): Batch => {
  rows.forEach((row, i) => checkRow(config, row, i));
  const common = sharePrefix ? sharedPrefix(rows.map(({ inputIds }) => inputIds)) : 0;
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
    for (let t = own[i]!; t < padded[i]!; t++) ids.push(PADDING);
  });
  return batchOf(
    ids,
    makeBatchContext(
      config,
      padded.map((tokens) => ({ tokens })),
      dtype,
      prefix,
    ),
    { prefix, lengths, labelCounts, targets: { rows: targetRows, labels } },
  );
};

/** Any token of the vocabulary. */
const PADDING = 0;

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

const paddedTo = (group: readonly number[]): number =>
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

/** How many tokens all sequences begin with, at least one of each left over; 0 where it is not worth sharing. */
export const sharedPrefix = (sequences: readonly (readonly number[])[]): number => {
  if (sequences.length < 2) return 0;
  const first = sequences[0]!;
  const most = Math.min(...sequences.map(({ length }) => length)) - 1;
  let prefix = 0;
  while (prefix < most && sequences.every((ids) => ids[prefix] === first[prefix])) prefix++;
  return prefix < SHORTEST_SHARED_PREFIX ? 0 : prefix;
};
