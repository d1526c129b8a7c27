/**
 * What a decoder layer is put together from, and the layer itself: two branches beside the residual stream,
 *   x₁ = x + post(half(pre(x))), attention first, then the MLP the same way over x₁
 * `pre` and `post` are norms; most architectures have no `post`. Only the layer's input was kept for the backward: both
 * branches are recomputed there (all but the MLP's last linear, unless a norm follows it), and what they leave is reused.
 */
import { add, tidy, type Tensor } from '@emloc/engine';
import type {
  Architecture,
  LayerContext,
  LayerWeights,
  Linears,
  ModelConfig,
  NamedTensors,
} from '../types.ts';
import type { MlpInside } from './mlp.ts';
import type { AttentionInside } from './self-attention.ts';

/** What is at hand while a layer is computed for a micro-batch. */
export interface LayerUse<C extends ModelConfig> {
  readonly w: LayerWeights;
  readonly lin: Linears;
  readonly context: LayerContext;
  readonly config: C;
}

/** What a norm's backward can reuse, and y [N, D]. */
export interface Normed {
  readonly y: Tensor;
  /** One over the root of the mean square, or of the variance: [N, 1]. */
  readonly inverse: Tensor;
  /** [N, 1], of norms that take it off. */
  readonly mean?: Tensor;
}

export interface Norm<C extends ModelConfig> {
  /** x [N, D] */
  forward(x: Tensor, weights: NamedTensors, config: C): Normed;
  /** x, dy [N, D] → dx [N, D] */
  backward(x: Tensor, dy: Tensor, normed: Normed, weights: NamedTensors, config: C): Tensor;
}

/** Attention or MLP, without norms and residual: [N, D] → [N, D]. `S`: what its backward needs of its inside. */
export interface Half<C extends ModelConfig, S> {
  /** Output alone, keeping as little as can be. */
  forward(x: Tensor, use: LayerUse<C>): Tensor;
  inside(x: Tensor, use: LayerUse<C>): S;
  /** The last step, from the inside to what `forward` gives. */
  output(inside: S, use: LayerUse<C>): Tensor;
  /** x, dy [N, D] → dx [N, D]. Uses up the tensors of `inside`: may end them as soon as they are not needed. */
  backward(x: Tensor, dy: Tensor, inside: S, use: LayerUse<C>): Tensor;
}

export interface Branch<C extends ModelConfig, S> {
  readonly pre: Norm<C>;
  readonly half: Half<C, S>;
  readonly post?: Norm<C>;
}

export type Layer<C extends ModelConfig> = Pick<Architecture<C>, 'layerForward' | 'layerBackward'>;

/** `A` and `M`: what the halves keep of their inside. */
export const layerOf = <C extends ModelConfig, A = AttentionInside, M = MlpInside>(
  attention: Branch<C, A>,
  mlp: Branch<C, M>,
): Layer<C> => ({
  layerForward: (x, w, lin, context, config) =>
    tidy(() => {
      const use = { w, lin, context, config };
      return branchForward(
        mlp,
        tidy(() => branchForward(attention, x, use)),
        use,
      );
    }),
  layerBackward: (x, dy, w, lin, context, config) =>
    tidy(() => {
      const use = { w, lin, context, config };
      const first = branchInside(attention, x, use);
      const output = outputOf(attention, first, use);
      const x1 = tidy(() => add(x, output.normed?.y ?? output.y));
      if (output.normed === undefined) output.y.dispose();
      const dx1 = tidy(() => {
        const second = branchInside(mlp, x1, use);
        const after = mlp.post === undefined ? undefined : outputOf(mlp, second, use);
        return branchBackward(mlp, x1, dy, second, after, use);
      });
      x1.dispose();
      return branchBackward(attention, x, dx1, first, output, use);
    }),
});

const branchForward = <C extends ModelConfig, S>(
  { pre, half, post }: Branch<C, S>,
  x: Tensor,
  use: LayerUse<C>,
): Tensor =>
  tidy(() => {
    const y = tidy(() => half.forward(pre.forward(x, use.w, use.config).y, use));
    return add(x, post === undefined ? y : post.forward(y, use.w, use.config).y);
  });

interface Inside<S> {
  readonly normed: Normed;
  readonly state: S;
}

interface Output {
  readonly y: Tensor;
  /** Where a norm follows. */
  readonly normed: Normed | undefined;
}

const branchInside = <C extends ModelConfig, S>(
  { pre, half }: Branch<C, S>,
  x: Tensor,
  use: LayerUse<C>,
): Inside<S> => {
  const normed = pre.forward(x, use.w, use.config);
  return { normed, state: half.inside(normed.y, use) };
};

const outputOf = <C extends ModelConfig, S>(
  { half, post }: Branch<C, S>,
  { state }: Inside<S>,
  use: LayerUse<C>,
): Output => {
  const y = half.output(state, use);
  return { y, normed: post?.forward(y, use.w, use.config) };
};

/** x, dy [N, D] → dx [N, D], the residual's share included. `output` is needed where a norm follows. */
const branchBackward = <C extends ModelConfig, S>(
  { pre, half, post }: Branch<C, S>,
  x: Tensor,
  dy: Tensor,
  { normed, state }: Inside<S>,
  output: Output | undefined,
  use: LayerUse<C>,
): Tensor =>
  tidy(() => {
    const { w, config } = use;
    const dOut =
      post === undefined || output?.normed === undefined
        ? dy
        : post.backward(output.y, dy, output.normed, w, config);
    const dNormed = half.backward(normed.y, dOut, state, use);
    return add(dy, pre.backward(x, dNormed, normed, w, config));
  });
