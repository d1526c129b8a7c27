/**
 * What one layer holds at its highest for one micro-batch, counted off the code of `libs/models/src/layers`: the tensors
 * that live at the same time, in attention or in the MLP, whichever are more. Letters: N tokens, D hidden, A queries'
 * width, K keys' (or values') width, F the MLP's inner width, G what comes out of the linears before it (gate and up
 * together), S bytes of the attention scores.
 */
import { LONGEST_WHOLE_MASK, SCORES_BYTES } from '@emloc/models';
import type { MemorySpec, StageSizes } from './stage-sizes.ts';

/**
 * Attention: the layer's input and its norm, q, k and v before and after they are laid out as heads, and the scores
 * twice (before the softmax and after it); or, earlier, what the rotation makes of the queries. MLP: input, residual and
 * norm, gate and up, and four more of F (a GELU's tanh, half, sum and product).
 */
export function insideForward(spec: MemorySpec, sizes: StageSizes, tokens = spec.microBatchTokens): number {
  const { D, A, K, F, G } = widths(spec, sizes);
  const rotation = 4 * tokens * (2 * D + 5 * A + 3 * K + sizes.headNormWidth);
  const scores = 4 * tokens * (2 * D + 3 * A + 4 * K) + 2 * scoreBytes(spec, tokens);
  const mlp = 4 * tokens * (3 * D + G + 4 * F) + joinedExpertBytes(spec, tokens);
  return Math.max(rotation, scores, mlp) + contextBytes(spec, sizes, tokens);
}

/**
 * Backward: the attention half's inside is kept (norm, heads, output, weights of the softmax) while the MLP is
 * recomputed and gone back through: gate, up, activation, their gradients, and three of the activation's slope. Norms
 * after the halves keep what goes into them and what comes out. Then the scores' gradients, three more of S.
 */
export function insideBackward(spec: MemorySpec, sizes: StageSizes, tokens = spec.microBatchTokens): number {
  const { D, A, K, F, G } = widths(spec, sizes);
  const scores = scoreBytes(spec, tokens);
  const attention =
    4 * tokens * ((3 + 2 * sizes.postNorms) * D + 4 * A + 4 * K + sizes.headNormWidth) + scores;
  // Of experts, what they give and its gradients, as rows of their own and as the tokens'.
  const mlp = 4 * tokens * (4 * G + 2 * F) + 3 * joinedExpertBytes(spec, tokens);
  const scoreGradients = 4 * tokens * (3 * A + 4 * K) + 3 * scores;
  return attention + Math.max(mlp, scoreGradients) + contextBytes(spec, sizes, tokens);
}

const widths = (
  { model }: MemorySpec,
  { innerWidth: F, groupWidth: G }: StageSizes,
): Record<'D' | 'A' | 'K' | 'F' | 'G', number> => {
  const { hiddenSize: D, numHeads, numKeyValueHeads, headDim } = model.config;
  return { D, A: numHeads * headDim, K: numKeyValueHeads * headDim, F, G };
};

/** What the K experts of each token give: by expert, joined, by row, and weighted. */
const joinedExpertBytes = ({ model }: MemorySpec, tokens: number): number =>
  4 * 4 * tokens * (model.config.expertsPerToken ?? 0) * model.config.hiddenSize;

/** Scores of all heads; of one sequence that would not fit in a tile, those of a tile. */
const scoreBytes = ({ model, sequenceTokens }: MemorySpec, tokens: number): number => {
  const row = 4 * model.config.numHeads * sequenceTokens;
  return row * sequenceTokens <= SCORES_BYTES ? row * tokens : Math.min(SCORES_BYTES, row * tokens);
};

/** Rotary tables (cosine and sine, for queries and for keys) and masks, for each way in which layers attend. */
export const contextBytes = (
  { model, sequenceTokens }: MemorySpec,
  { attentionKinds }: StageSizes,
  tokens: number,
): number =>
  4 * tokens * attentionKinds * (4 * model.config.headDim + Math.min(sequenceTokens, LONGEST_WHOLE_MASK));
