/**
 * Causal attention with grouped key-value heads over rows of tokens, block by block: a block is sequences of equal
 * length. Here is only the way from rows to heads and back; the arithmetic is in attend.ts.
 */
import { concat, reshape, slice, tidy, transpose, type Tensor } from '@emloc/engine';
import type { AttentionBlock } from '../types.ts';
import { attend, attendBackward, type AttendState } from './attend.ts';

/** q [N, H, E] and k [N, K, E], rotated; v [N, K, E]. */
export interface Heads {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

export interface Attended {
  /** [N, H·E] */
  readonly output: Tensor;
  /** What each block's backward can reuse. */
  readonly states: readonly AttendState[];
}

export const attention = (heads: Heads, blocks: readonly AttentionBlock[], scoresBytes?: number): Attended =>
  tidy(() => {
    const keyHeads = heads.k.shape[1]!;
    const states = blocks.map((block) =>
      tidy(() => {
        const turned = {
          q: toHeads(heads.q, block, keyHeads),
          k: toHeads(heads.k, block, keyHeads),
          v: toHeads(heads.v, block, keyHeads),
        };
        return attend(turned, block.mask, scoresBytes);
      }),
    );
    const output = joinRows(states.map(({ o }, i) => toRows(o, blocks[i]!, heads.q.shape[1]!)));
    return { output: reshape(output, [output.shape[0]!, -1]), states };
  });

/** dOutput [N, H·E] → gradients of rotated q [N, H, E], rotated k and v [N, K, E]. */
export const attentionBackward = (
  dOutput: Tensor,
  heads: Pick<Heads, 'q' | 'k'>,
  states: readonly AttendState[],
  blocks: readonly AttentionBlock[],
  scoresBytes?: number,
): Heads =>
  tidy(() => {
    const headCount = heads.q.shape[1]!;
    const keyHeads = heads.k.shape[1]!;
    const dOut = reshape(dOutput, heads.q.shape);
    const parts = blocks.map((block, i) =>
      tidy(() => {
        const d = attendBackward(toHeads(dOut, block, keyHeads), states[i]!, block.mask, scoresBytes);
        return {
          q: toRows(d.q, block, headCount),
          k: toRows(d.k, block, keyHeads),
          v: toRows(d.v, block, keyHeads),
        };
      }),
    );
    return {
      q: joinRows(parts.map(({ q }) => q)),
      k: joinRows(parts.map(({ k }) => k)),
      v: joinRows(parts.map(({ v }) => v)),
    };
  });

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

const joinRows = (parts: readonly Tensor[]): Tensor => (parts.length === 1 ? parts[0]! : concat(parts, 0));
