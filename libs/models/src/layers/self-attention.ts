/**
 * The attention half of a layer: queries, keys and values by linears (separate, or one for all three), normed where the
 * architecture does so, rotated, attended, and back by the output linear.
 */
import { add, concat, reshape, split, tidy, type Tensor } from '@emloc/engine';
import type { Linears, ModelConfig } from '../types.ts';
import { attention, attentionBackward, type Attended, type Heads } from './attention.ts';
import type { Half, LayerUse, Normed } from './parts.ts';
import { rmsNorm, rmsNormBackward } from './rms-norm.ts';
import { rope, ropeBackward } from './rope.ts';

/** [N, H·E], [N, K·E], [N, K·E] */
interface Projected {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** How queries, keys and values come from a layer's normed input, and its gradient from theirs. */
export interface Projections {
  forward(x: Tensor, lin: Linears, config: ModelConfig): Projected;
  backward(x: Tensor, d: Projected, lin: Linears): Tensor;
}

/** A linear for each. */
export const separate = (q: string, k: string, v: string): Projections => ({
  forward: (x, lin) => ({ v: lin.forward(v, x), q: lin.forward(q, x), k: lin.forward(k, x) }),
  backward: (x, d, lin) =>
    tidy(() => add(add(lin.backward(q, x, d.q), lin.backward(k, x, d.k)), lin.backward(v, x, d.v))),
});

/** One linear whose outputs are queries, then keys, then values. */
export const fused = (qkv: string): Projections => ({
  forward: (x, lin, { numHeads, numKeyValueHeads, headDim }) =>
    tidy(() => {
      const keys = numKeyValueHeads * headDim;
      const [q, k, v] = split(lin.forward(qkv, x), [numHeads * headDim, keys, keys], 1) as [
        Tensor,
        Tensor,
        Tensor,
      ];
      return { q, k, v };
    }),
  backward: (x, d, lin) => tidy(() => lin.backward(qkv, x, concat([d.q, d.k, d.v], 1))),
});

/** Root-mean-square norms over each head of the queries and of the keys, before they are rotated. */
export interface HeadNorms<C> {
  readonly q: string;
  readonly k: string;
  readonly eps: (config: C) => number;
  /** The weight is stored less 1. */
  readonly plusOne?: boolean;
}

interface HeadNormed {
  /** Before and after [N·h, E]. */
  readonly raw: Tensor;
  readonly normed: Normed;
}

/** [N, h·E] */
const rowsOf = (normed: HeadNormed | undefined, raw: Tensor): Tensor =>
  normed === undefined ? raw : reshape(normed.normed.y, raw.shape);

export interface AttentionInside {
  readonly heads: Heads;
  readonly attended: Attended;
  readonly headNorms: { readonly q: HeadNormed; readonly k: HeadNormed } | undefined;
}

export const selfAttention = <C extends ModelConfig>({
  projections,
  output,
  headNorms,
}: {
  readonly projections: Projections;
  /** The output linear. */
  readonly output: string;
  readonly headNorms?: HeadNorms<C>;
}): Half<C, AttentionInside> => {
  const normOf = (which: 'q' | 'k', x: Tensor, { w, config }: LayerUse<C>): HeadNormed | undefined => {
    if (headNorms === undefined) return undefined;
    const raw = reshape(x, [-1, config.headDim]);
    const { eps, plusOne = false } = headNorms;
    return { raw, normed: rmsNorm(raw, w.tensor(headNorms[which]), eps(config), plusOne) };
  };
  /** dy [N, h·E] → dx [N, h·E] */
  const normBackward = (which: 'q' | 'k', dy: Tensor, state: AttentionInside, { w }: LayerUse<C>): Tensor => {
    const own = state.headNorms?.[which];
    if (headNorms === undefined || own === undefined) return dy;
    const d = reshape(dy, own.raw.shape);
    const dx = rmsNormBackward(
      own.raw,
      d,
      w.tensor(headNorms[which]),
      own.normed.inverse,
      headNorms.plusOne ?? false,
    );
    return reshape(dx, dy.shape);
  };

  const half: Half<C, AttentionInside> = {
    forward: (x, use) => tidy(() => half.output(half.inside(x, use), use)),
    inside: (x, use) =>
      tidy(() => {
        const { context, config, lin } = use;
        const { heads, norms } = tidy(() => {
          const { q, k, v } = projections.forward(x, lin, config);
          const [nq, nk] = [normOf('q', q, use), normOf('k', k, use)];
          return {
            heads: {
              q: rope(rowsOf(nq, q), context.queryRope), // [N, H, E]
              k: rope(rowsOf(nk, k), context.keyRope), // [N, K, E]
              v: reshape(v, [context.rows, config.numKeyValueHeads, config.headDim]),
            },
            norms: nq === undefined || nk === undefined ? undefined : { q: nq, k: nk },
          };
        });
        return { heads, attended: attention(heads, context), headNorms: norms };
      }),
    output: ({ attended }, { lin }) => lin.forward(output, attended.output),
    backward: (x, dy, inside, use) =>
      tidy(() => {
        const { lin, context } = use;
        const { heads, attended } = inside;
        const dHeads = tidy(() =>
          attentionBackward(lin.backward(output, attended.output, dy), heads, attended.states, context),
        );
        return tidy(() =>
          projections.backward(
            x,
            {
              q: normBackward('q', ropeBackward(dHeads.q, context.queryRope), inside, use),
              k: normBackward('k', ropeBackward(dHeads.k, context.keyRope), inside, use),
              v: reshape(dHeads.v, [context.rows, -1]),
            },
            lin,
          ),
        );
      }),
  };
  return half;
};
