/**
 * The end of the model: final norm, logits, cross-entropy and its gradient. Only rows that predict a label are looked
 * at, and those in slices, so that neither the logits nor their gradient [N, V] ever exist whole.
 *   loss = −log softmax(norm(h) Wᵀ)[label],  dh = norm'((softmax − onehot) W) · scale
 * Where the output matrix must be converted to be multiplied, that is done in slices of the vocabulary too.
 */
import {
  addN,
  argmax,
  cast,
  concat,
  gather,
  halfPrecision,
  linear,
  linearBackward,
  mul,
  slice,
  softmaxCrossEntropy,
  tensor,
  tidy,
  toFloat64Array,
  type Tensor,
} from '@emloc/engine';
import { dtypeBytes, type DType } from '@emloc/tensor-stream';
import type { HeadWeights, WeightSource } from './types.ts';

/** Of the logits, and again of their gradient and of the converted part of the output matrix. */
export const DEFAULT_SLICE_BYTES = 16 * 2 ** 20;

/** What the functions below need to know of the model: a WeightSource has it all. */
export type HeadOf = Pick<WeightSource, 'architecture' | 'config' | 'activationDtype' | 'computeDtype'>;

export interface HeadLossOptions {
  /** Makes `dh`, times this factor (such as 1 / labelled tokens of the whole batch). */
  readonly gradientScale?: number;
  /** Also tell where the most likely token is the label. */
  readonly matches?: boolean;
  readonly sliceBytes?: number;
}

export interface HeadLoss {
  /** Natural logarithm of each label's probability. */
  readonly logProbs: Float64Array;
  /** 1 where the most likely token is the label; undefined unless asked for. */
  readonly matches: Uint8Array | undefined;
  /** [n, D]; undefined unless a scale was given. */
  readonly dh: Tensor | undefined;
}

/** h [n, D]: hidden states before the final norm, one for each label. */
export const headLoss = (
  of: HeadOf,
  h: Tensor,
  labels: Int32Array,
  weights: HeadWeights,
  { gradientScale, matches: wantMatches = false, sliceBytes = DEFAULT_SLICE_BYTES }: HeadLossOptions = {},
): HeadLoss =>
  tidy(() => {
    const logProbs = new Float64Array(labels.length);
    const matches = wantMatches ? new Uint8Array(labels.length) : undefined;
    const gradients: Tensor[] = [];
    for (const { first, count } of slices(labels.length, rowsPerSlice(of, sliceBytes))) {
      const part = labels.subarray(first, first + count);
      const dh = tidy(() => {
        const rows = count === labels.length ? h : slice(h, [first, 0], [count, of.config.hiddenSize]);
        const normed = of.architecture.finalNorm(rows, weights, of.config); // [n, D]
        const logits = logitsOfNormed(of, normed, weights, sliceBytes); // [n, V]
        if (matches)
          toFloat64Array(argmax(logits)).forEach((id, i) => (matches[first + i] = +(id === part[i])));
        const { loss, dLogits } = softmaxCrossEntropy(logits, tensor(part, [count], 'i32'));
        logits.dispose();
        toFloat64Array(loss).forEach((x, i) => (logProbs[first + i] = -x));
        if (gradientScale === undefined) return undefined;
        const dNormed = mul(backToNormed(of, dLogits, weights, sliceBytes), gradientScale);
        return of.architecture.finalNormBackward(rows, dNormed, weights, of.config);
      });
      if (dh !== undefined) gradients.push(dh);
    }
    const dh = gradients.length === 0 ? undefined : concat(gradients, 0);
    return { logProbs, matches, dh };
  });

/** h [n, D] before the final norm → logits [n, V]. The caller sees to it that n is small. */
export const logitsOf = (
  of: HeadOf,
  h: Tensor,
  weights: HeadWeights,
  sliceBytes: number = DEFAULT_SLICE_BYTES,
): Tensor =>
  tidy(() => logitsOfNormed(of, of.architecture.finalNorm(h, weights, of.config), weights, sliceBytes));

/** Rows of hidden states by number. */
export const gatherRows = (h: Tensor, rows: Int32Array): Tensor =>
  tidy(() => gather(h, tensor(rows, [rows.length], 'i32'), 0));

/** [n, D] · [V, D]ᵀ → [n, V] */
const logitsOfNormed = (of: HeadOf, normed: Tensor, weights: HeadWeights, sliceBytes: number): Tensor =>
  tidy(() => {
    const parts = headParts(of, weights, sliceBytes).map((part) =>
      withPart(of, weights, part, (rows) => linear(normed, rows)),
    );
    return parts.length === 1 ? parts[0]! : concat(parts, 1);
  });

/** [n, V] · [V, D] → [n, D] */
const backToNormed = (of: HeadOf, dLogits: Tensor, weights: HeadWeights, sliceBytes: number): Tensor =>
  tidy(() => {
    const vocabulary = of.config.vocabSize;
    const rows = dLogits.shape[0]!;
    const parts = headParts(of, weights, sliceBytes).map((part) =>
      withPart(of, weights, part, (matrix) => {
        const { first, count } = part;
        const columns = count === vocabulary ? dLogits : slice(dLogits, [0, first], [rows, count]);
        return linearBackward(columns, matrix);
      }),
    );
    return parts.length === 1 ? parts[0]! : addN(parts);
  });

/** Can a matrix of this type be multiplied as it is stored? */
const multipliesAsStored = (of: HeadOf, dtype: DType): boolean =>
  dtype === of.activationDtype ||
  (dtype === 'bf16' && of.computeDtype === 'bf16' && halfPrecision() === 'native');

/** Parts of the vocabulary: some where the matrix is converted, or mapped part by part; else all of it. */
const headParts = (of: HeadOf, weights: HeadWeights, sliceBytes: number): readonly Slice[] => {
  const { vocabSize, hiddenSize } = of.config;
  const { dtype, streamed = false } = weights;
  const asStored = multipliesAsStored(of, dtype);
  if (asStored && !streamed) return [{ first: 0, count: vocabSize }];
  const rowBytes = hiddenSize * dtypeBytes[asStored ? dtype : of.activationDtype];
  return slices(vocabSize, Math.max(1, Math.floor(sliceBytes / rowBytes)));
};

/** What `use` makes of a part of the output matrix, converted where it must be. */
const withPart = (
  of: HeadOf,
  weights: HeadWeights,
  { first, count }: Slice,
  use: (rows: Tensor) => Tensor,
): Tensor => {
  if (multipliesAsStored(of, weights.dtype) && !weights.streamed) return use(weights.head);
  return weights.part(first, count, (rows) =>
    tidy(() => use(multipliesAsStored(of, rows.dtype) ? rows : cast(rows, of.activationDtype))),
  );
};

export interface Slice {
  readonly first: number;
  readonly count: number;
}

/** 0 … total in slices near in size, none above `most`. */
export const slices = (total: number, most: number): Slice[] => {
  const parts = Math.ceil(total / most);
  return Array.from({ length: parts }, (_, i) => {
    const first = Math.floor((i * total) / parts);
    return { first, count: Math.floor(((i + 1) * total) / parts) - first };
  });
};

export const rowsPerSlice = (of: HeadOf, sliceBytes: number): number =>
  Math.max(1, Math.floor(sliceBytes / (of.config.vocabSize * dtypeBytes[of.activationDtype])));
