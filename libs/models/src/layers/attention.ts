/**
 * Causal softmax attention with grouped key-value heads, block by block: a block is sequences of equal length.
 *   p = softmax(q kᵀ + mask), o = p v           (1/√E is folded into q's rotary tables)
 *   dv = pᵀ do, dp = do vᵀ, ds = p · (dp − Σ do·o), dq = ds k, dk = dsᵀ q
 * The G = H / K query heads of one key-value head are laid under each other, so keys are never repeated.
 * Limit: the scores of a block are whole, [S·H, T, T].
 */
import { add, concat, matmul, mul, reshape, slice, softmax, sub, sum, tidy, transpose } from '@emloc/engine';
import type { Tensor } from '@emloc/engine';
import type { AttentionBlock } from '../types.ts';

/** q [N, H, E] and k [N, K, E], rotated; v [N, K, E]. */
export interface Heads {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** What a block's backward can reuse. */
interface BlockState {
  /** [S·K, G·T, E] */
  readonly q: Tensor;
  /** [S·K, T, E] */
  readonly k: Tensor;
  readonly v: Tensor;
  /** [S·K, G·T, T] */
  readonly p: Tensor;
  /** [S·K, G·T, E] */
  readonly o: Tensor;
}

export interface Attended {
  /** [N, H·E] */
  readonly output: Tensor;
  readonly blocks: readonly BlockState[];
}

export const attention = (heads: Heads, blocks: readonly AttentionBlock[]): Attended =>
  tidy(() => {
    const states = blocks.map((block) => attendBlock(heads, block));
    const output = joinRows(states.map(({ o }, i) => toRows(o, blocks[i]!, heads.q.shape[1]!)));
    return { output: reshape(output, [output.shape[0]!, -1]), blocks: states };
  });

/** dOutput [N, H·E] → gradients of rotated q [N, H, E], rotated k and v [N, K, E]. */
export const attentionBackward = (
  dOutput: Tensor,
  { k: { shape: kShape }, q: { shape: qShape } }: Heads,
  states: readonly BlockState[],
  blocks: readonly AttentionBlock[],
): Heads =>
  tidy(() => {
    const [rows, headCount, width] = qShape as [number, number, number];
    const keyHeads = kShape[1]!;
    const dOut = reshape(dOutput, [rows, headCount, width]);
    const parts = blocks.map((block, i) => {
      const d = backBlock(toHeads(dOut, block, keyHeads), states[i]!);
      return {
        q: toRows(d.q, block, headCount),
        k: toRows(d.k, block, keyHeads),
        v: toRows(d.v, block, keyHeads),
      };
    });
    return {
      q: joinRows(parts.map((p) => p.q)),
      k: joinRows(parts.map((p) => p.k)),
      v: joinRows(parts.map((p) => p.v)),
    };
  });

const attendBlock = (heads: Heads, block: AttentionBlock): BlockState =>
  tidy(() => {
    const keyHeads = heads.k.shape[1]!;
    const q = toHeads(heads.q, block, keyHeads);
    const k = toHeads(heads.k, block, keyHeads);
    const v = toHeads(heads.v, block, keyHeads);
    const { tokens } = block;
    const p = tidy(() => {
      const scores = matmul(q, k, { transposeB: true }); // [S·K, G·T, T]
      const masked = add(reshape(scores, [-1, tokens, tokens]), block.mask); // [S·H, T, T]
      return reshape(softmax(masked), scores.shape);
    });
    return { q, k, v, p, o: matmul(p, v) };
  });

const backBlock = (dO: Tensor, { q, k, v, p, o }: BlockState): Heads =>
  tidy(() => {
    const dv = matmul(p, dO, { transposeA: true }); // [S·K, T, E]
    const ds = tidy(() => {
      const dp = matmul(dO, v, { transposeB: true }); // [S·K, G·T, T]
      const along = sum(mul(dO, o), -1, true); // [S·K, G·T, 1]
      return mul(p, sub(dp, along));
    });
    return { q: matmul(ds, k), k: matmul(ds, q, { transposeA: true }), v: dv };
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

/** A block of one part is that part, as a handle of its own. */
const joinRows = (parts: readonly Tensor[]): Tensor =>
  parts.length === 1 ? parts[0]! : concat([...parts], 0);
