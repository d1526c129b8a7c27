/**
 * Causal attention with grouped key-value heads over rows of tokens, block by block: a block is sequences of equal
 * length. Here is only the way from rows to heads and back; the arithmetic is in attend.ts.
 *
 * Sequences may begin with a prefix that all of them share: its P rows come once, first of all rows and a block of
 * their own, and the keys and values of a sequence that continues them are [prefix; own]. The prefix's gradient is the
 * sum over all who see it.
 *
 * Rows after the last block are idle: they see nothing, and nothing sees them.
 */
import { addN, concat, reshape, slice, sum, tidy, tile, transpose, zeros, type Tensor } from '@emloc/engine';
import type { AttentionBlock, LayerContext } from '../types.ts';
import { attend, attendBackward, type AttendState } from './attend.ts';

/** q [N, H, E] and k [N, K, E], rotated; v [N, K, E]. */
export interface Heads {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** Keys and values of earlier tokens, or kept for later ones (generation). */
export interface AttentionCache {
  /** The output [N, H·E] where the rows go on from what is kept; undefined: they attend to each other, as without it. */
  attend(heads: Heads): Tensor | undefined;
}

export interface Attended {
  /** [N, H·E] */
  readonly output: Tensor;
  /** What each block's backward can reuse. */
  readonly states: readonly AttendState[];
}

/** What attention needs of a layer's context. */
export type AttentionContext = Pick<LayerContext, 'blocks' | 'cache'>;

export const attention = (
  heads: Heads,
  { blocks, cache }: AttentionContext,
  scoresBytes?: number,
): Attended =>
  tidy(() => {
    const cached = cache?.attend(heads);
    if (cached !== undefined) return { output: cached, states: [] };
    const keyHeads = heads.k.shape[1]!;
    const before = prefixHeads(heads, blocks);
    const states = blocks.map((block) =>
      tidy(() => {
        const turned = {
          q: toHeads(heads.q, block, keyHeads),
          k: withPrefix(before?.k, toHeads(heads.k, block, keyHeads), block),
          v: withPrefix(before?.v, toHeads(heads.v, block, keyHeads), block),
        };
        return attend(turned, block, scoresBytes);
      }),
    );
    const [rows, headCount] = heads.q.shape as [number, number];
    const output = joinRows(
      states.map(({ o }, i) => toRows(o, blocks[i]!, headCount)),
      rows,
    );
    return { output: reshape(output, [output.shape[0]!, -1]), states };
  });

/** dOutput [N, H·E] → gradients of rotated q [N, H, E], rotated k and v [N, K, E]. */
export const attentionBackward = (
  dOutput: Tensor,
  heads: Pick<Heads, 'q' | 'k'>,
  states: readonly AttendState[],
  { blocks }: AttentionContext,
  scoresBytes?: number,
): Heads =>
  tidy(() => {
    const [rows, headCount] = heads.q.shape as [number, number];
    const keyHeads = heads.k.shape[1]!;
    const dOut = reshape(dOutput, heads.q.shape);
    const parts = blocks.map((block, i) =>
      tidy(() => {
        const d = attendBackward(toHeads(dOut, block, keyHeads), states[i]!, block, scoresBytes);
        const split = (dKeys: Tensor): WithPrefix => {
          const { own, prefix } = ofPrefix(dKeys, block);
          return { own: toRows(own, block, keyHeads), prefix };
        };
        return { q: toRows(d.q, block, headCount), k: split(d.k), v: split(d.v) };
      }),
    );
    return {
      q: joinRows(
        parts.map(({ q }) => q),
        rows,
      ),
      k: joinRows(withPrefixSum(parts.map(({ k }) => k)), rows),
      v: joinRows(withPrefixSum(parts.map(({ v }) => v)), rows),
    };
  });

/** Keys and values of the shared prefix [K, P, E]: the rows that the first block consists of. */
const prefixHeads = ({ k, v }: Heads, blocks: readonly AttentionBlock[]) => {
  if (blocks.every(({ prefix = 0 }) => prefix === 0)) return undefined;
  const keyHeads = k.shape[1]!;
  return { k: toHeads(k, blocks[0]!, keyHeads), v: toHeads(v, blocks[0]!, keyHeads) };
};

/** prefix [K, P, E] before each sequence's own [S·K, T, E] → [S·K, P+T, E] */
const withPrefix = (prefix: Tensor | undefined, own: Tensor, { sequences, prefix: seen }: AttentionBlock) =>
  prefix === undefined || !seen ? own : tidy(() => concat([tile(prefix, [sequences, 1, 1]), own], 1));

interface WithPrefix {
  readonly own: Tensor;
  /** Undefined where a block sees none. */
  readonly prefix: Tensor | undefined;
}

/** The way back: [S·K, P+T, E] → own [S·K, T, E], and what all sequences make of the prefix, as rows [P, K, E]. */
const ofPrefix = (d: Tensor, { sequences, prefix = 0 }: AttentionBlock): WithPrefix => {
  if (prefix === 0) return { own: d, prefix: undefined };
  const [batch, , width] = d.shape as [number, number, number];
  const own = slice(d, [0, prefix, 0], [-1, -1, -1]);
  const each = reshape(slice(d, [0, 0, 0], [-1, prefix, -1]), [sequences, batch / sequences, prefix, width]);
  return { own, prefix: transpose(sum(each, 0), [1, 0, 2]) };
};

/** Rows of all blocks, those of the first with what the others make of them. */
const withPrefixSum = (parts: readonly WithPrefix[]): Tensor[] => {
  const own = parts.map((part) => part.own);
  const prefix = parts.flatMap((part) => part.prefix ?? []);
  return prefix.length === 0 ? own : [addN([own[0]!, ...prefix]), ...own.slice(1)];
};

/** Rows of one block [N, h, E] → [S·K, h/K·T, E]. */
const toHeads = (x: Tensor, { firstRow, sequences, tokens }: AttentionBlock, keyHeads: number): Tensor =>
  tidy(() => {
    const [rows, heads, width] = x.shape as [number, number, number];
    const count = sequences * tokens;
    const own = count === rows ? x : slice(x, [firstRow, 0, 0], [count, heads, width]);
    const turned = transpose(reshape(own, [sequences, tokens, heads, width]), [0, 2, 1, 3]);
    return reshape(turned, [sequences * keyHeads, (heads / keyHeads) * tokens, width]);
  });

/** The way back: [S·K, h/K·T, E] → [S·T, h, E]. */
const toRows = (x: Tensor, { sequences, tokens }: AttentionBlock, heads: number): Tensor =>
  tidy(() => {
    const width = x.shape[2]!;
    const turned = transpose(reshape(x, [sequences, heads, tokens, width]), [0, 2, 1, 3]);
    return reshape(turned, [sequences * tokens, heads, width]);
  });

/** Rows of all blocks [N, h, E]; those of idle rows are 0. */
const joinRows = (parts: readonly Tensor[], rows: number): Tensor => {
  const idle = rows - parts.reduce((sum, part) => sum + part.shape[0]!, 0);
  if (idle === 0) return parts.length === 1 ? parts[0]! : concat(parts, 0);
  const [like] = parts;
  return tidy(() =>
    concat([...parts, zeros([idle, ...like!.shape.slice(1)], like!.dtype as 'f32' | 'f64')], 0),
  );
};
