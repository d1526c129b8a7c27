/**
 * Which experts a row goes to (Shazeer et al. 2017, as Mixtral and Qwen3-MoE have it), forward and backward:
 *   p = softmax(x Rᵀ), t = the K largest of p, w = t, or t / Σ t
 *   dt = dw, or (dw − Σ dw·w) / Σ t;  ds = p · (dp − Σ dp·p), dp = dt at the chosen experts;  dx = ds R
 * The router is not trained; gradients reach it only on their way to x. No auxiliary loss balances the experts.
 * E experts, K of them for a row; a place is a row's j-th expert, number row·K + j.
 */
import {
  div,
  expandDims,
  gather,
  matmul,
  mul,
  oneHot,
  reshape,
  softmax,
  sub,
  sum,
  tensor,
  tidy,
  toFloat64Array,
  topK,
  type Tensor,
} from '@emloc/engine';

export interface Routing {
  /** p [N, E] */
  readonly probabilities: Tensor;
  /** Numbers of the experts [N, K], i32. */
  readonly chosen: Tensor;
  /** t and w [N, K]. */
  readonly top: Tensor;
  readonly weights: Tensor;
  /** For each expert, by its number, the places that are its own, ascending. */
  readonly places: readonly Int32Array[];
  /** Where each place lies in the experts' places one after the other: [N·K], i32. */
  readonly order: Tensor;
}

export interface RoutingOptions {
  readonly perRow: number;
  /** Do the weights of a row sum to 1? */
  readonly normalized: boolean;
}

/** x [N, D], router [E, D]. */
export const route = (x: Tensor, router: Tensor, { perRow, normalized }: RoutingOptions): Routing => {
  const { probabilities, chosen, top, weights } = tidy(() => {
    const p = softmax(matmul(x, router, { transposeB: true }));
    const { values, indices } = topK(p, perRow);
    return {
      probabilities: p,
      chosen: indices,
      top: values,
      weights: normalized ? div(values, sum(values, -1, true)) : values,
    };
  });
  const experts = toFloat64Array(chosen);
  const lists = Array.from({ length: router.shape[0]! }, (): number[] => []);
  experts.forEach((expert, place) => lists[expert]!.push(place));
  const order = new Int32Array(experts.length);
  lists.flat().forEach((place, position) => (order[place] = position));
  return {
    probabilities,
    chosen,
    top,
    weights,
    places: lists.map((list) => Int32Array.from(list)),
    order: tensor(order, [order.length], 'i32'),
  };
};

/** dw [N, K] → dx [N, D]. */
export const routeBackward = (
  dWeights: Tensor,
  { probabilities, chosen, top, weights }: Routing,
  router: Tensor,
  { normalized }: RoutingOptions,
): Tensor =>
  tidy(() => {
    const dTop = normalized
      ? div(sub(dWeights, sum(mul(dWeights, weights), -1, true)), sum(top, -1, true))
      : dWeights;
    const spread = oneHot(chosen, router.shape[0]!, dTop.dtype); // [N, K, E]
    const dp = sum(mul(spread, expandDims(dTop, 2)), 1); // [N, E]
    const dScores = mul(probabilities, sub(dp, sum(mul(dp, probabilities), -1, true)));
    return matmul(dScores, router);
  });

/** Values of places in the experts' order [N·K, …], one tensor an expert → by row [N, K, …]. */
export const byRow = (joined: Tensor, { order, weights }: Routing): Tensor =>
  tidy(() => reshape(gather(joined, order), [...weights.shape, ...joined.shape.slice(1)]));
