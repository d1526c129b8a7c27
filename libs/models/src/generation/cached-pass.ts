/** The two passes of generation: prompts as a whole, which fill a cache, and one token of each sequence after it. */
import { concat, tidy, toFloat32Array } from '@emloc/engine';
import { batchOf, prepareBatch } from '../batch.ts';
import { makeBatchContext } from '../batch-context.ts';
import { groupsUpTo } from '../groups.ts';
import { gatherRows, logitsOf } from '../head.ts';
import { forwardPass, type PassOptions } from '../model-pass.ts';
import type { AttentionCache } from '../layers/attention.ts';
import type { Batch, LinearsFor, WeightSource } from '../types.ts';
import { windowsOf } from './cache-size.ts';
import { KeyValueCache, type RowOf } from './key-value-cache.ts';

export interface PrefillSequence {
  readonly ids: readonly number[];
  /** Which of the linears' variants it is computed with. */
  readonly variant: number;
}

/** Which variants a micro-batch's rows are of: one for all, or one each. */
export type RowVariants = number | readonly number[];

/** The linears of one pass, whose rows may be of different variants (adapters). The caller disposes it. */
export type VariantLinears = (micro: readonly RowVariants[]) => PassLinears;

export interface PassLinears {
  readonly linearsFor: LinearsFor;
  dispose(): void;
}

/** Logits [V] of each sequence's next token. */
export type NextLogits = readonly Float32Array[];

/** Tokens of prompts in one micro-batch; a longer prompt is one of its own. */
export const PREFILL_TOKENS = 512;

/** Sequences of one variant come in a row, and share what they begin with. */
export const prefill = async (
  source: WeightSource,
  linearsOf: VariantLinears,
  sequences: readonly PrefillSequence[],
  options: PassOptions,
): Promise<{ readonly cache: KeyValueCache; readonly logits: NextLogits }> => {
  const batches: Batch[] = [];
  const caches: KeyValueCache[] = [];
  const packs = packsOf(sequences);
  const linears = linearsOf(packs.map(([first]) => first!.variant));
  try {
    for (const pack of packs) {
      const rows = pack.map(({ ids }) => ({ inputIds: ids }));
      const batch = prepareBatch(source, rows, source.activationDtype, { sharePrefix: true });
      const cache = new KeyValueCache(windowsOf(source), batch.lengths, source.activationDtype);
      const rowOf = rowsOf(batch);
      batches.push(withCache(batch, (layer) => cache.filling(layer, rowOf)));
      caches.push(cache);
    }
    const lastRows = batches.map((batch) => {
      const rowOf = rowsOf(batch);
      return Int32Array.from(batch.lengths, (length, sequence) => rowOf(sequence, length - 1));
    });
    const logits = await nextLogits(source, batches, lastRows, linears.linearsFor, options);
    return { cache: KeyValueCache.join(caches.splice(0)), logits };
  } finally {
    linears.dispose();
    for (const batch of batches) batch.dispose();
    for (const cache of caches) cache.dispose();
  }
};

/**
 * The rest of a sequence whose first tokens `cache` has, some tokens at a time. The logits are those of a pass over all
 * of it.
 */
export const resume = async (
  source: WeightSource,
  linearsOf: VariantLinears,
  { ids, variant }: PrefillSequence,
  cache: KeyValueCache,
  options: PassOptions,
): Promise<NextLogits> => {
  const linears = linearsOf([variant]);
  try {
    let logits: NextLogits = [];
    while (cache.lengths[0]! < ids.length) {
      const first = cache.lengths[0]!;
      const part = ids.slice(first, first + PREFILL_TOKENS);
      const layout = { tokens: part.length, positions: part.map((_, t) => first + t), length: ids.length };
      const context = makeBatchContext(source, [layout], source.activationDtype);
      const batch = withCache(batchOf(part, context, { prefix: 0, lengths: [part.length] }), (layer) =>
        cache.continuing(layer),
      );
      try {
        const last = [Int32Array.of(part.length - 1)];
        logits = await nextLogits(source, [batch], last, linears.linearsFor, options);
      } finally {
        batch.dispose();
      }
      cache.extended(part.length);
    }
    return logits;
  } finally {
    linears.dispose();
  }
};

/** `ids`: the latest token of each sequence, which the cache does not have yet. */
export const decodeStep = async (
  source: WeightSource,
  linearsFor: LinearsFor,
  ids: readonly number[],
  cache: KeyValueCache,
  options: PassOptions,
): Promise<NextLogits> => {
  const layouts = cache.lengths.map((length) => ({ tokens: 1, positions: [length] }));
  const context = makeBatchContext(source, layouts, source.activationDtype);
  const batch = withCache(batchOf(ids, context, { prefix: 0, lengths: ids.map(() => 1) }), (layer) =>
    cache.stepping(layer),
  );
  try {
    const logits = await nextLogits(source, [batch], [Int32Array.from(ids.keys())], linearsFor, options);
    cache.advance();
    return logits;
  } finally {
    batch.dispose();
  }
};

const packsOf = (sequences: readonly PrefillSequence[]): PrefillSequence[][] => {
  const runs: PrefillSequence[][] = [];
  for (const sequence of sequences) {
    if (runs.at(-1)?.[0]?.variant === sequence.variant) runs.at(-1)!.push(sequence);
    else runs.push([sequence]);
  }
  return runs.flatMap((run) => groupsUpTo(run, PREFILL_TOKENS, ({ ids }) => ids.length));
};

/** Where the rows of a batch without padding lie: those of the shared prefix first. */
const rowsOf = ({ prefix, lengths }: Batch): RowOf => {
  const first: number[] = [];
  let row = prefix;
  for (const length of lengths) {
    first.push(row - prefix);
    row += length - prefix;
  }
  return (sequence, token) => (token < prefix ? token : first[sequence]! + token);
};

const withCache = (batch: Batch, cacheOf: (layer: number) => AttentionCache): Batch => ({
  ...batch,
  context: {
    ...batch.context,
    layer: (index) => ({ ...batch.context.layer(index), cache: cacheOf(index) }),
  },
});

const nextLogits = async (
  source: WeightSource,
  batches: readonly Batch[],
  rows: readonly Int32Array[],
  linearsFor: LinearsFor,
  options: PassOptions,
): Promise<NextLogits> => {
  const forward = await forwardPass(source, batches, linearsFor, options);
  try {
    const all = source.withHead((head) =>
      tidy(() => {
        const asked = concat(
          forward.hidden.map((hidden, i) => gatherRows(hidden, rows[i]!)),
          0,
        );
        return toFloat32Array(logitsOf(source, asked, head));
      }),
    );
    const { vocabSize } = source.config;
    return Array.from({ length: all.length / vocabSize }, (_, i) =>
      all.subarray(i * vocabSize, (i + 1) * vocabSize),
    );
  } finally {
    forward.dispose();
  }
};
