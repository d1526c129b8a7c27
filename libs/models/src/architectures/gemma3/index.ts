/** Gemma 3, text: local and global layers by turns, norms around both halves, scaled embeddings, GELU gates. */
import { mul, tidy } from '@emloc/engine';
import { toBf16Bits } from '@emloc/tensor-stream';
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture, ComputeDType } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { gemma3Linears, gemma3Tensors, parseGemma3Config, type Gemma3Config } from './config.ts';
import { layer } from './layer.ts';

export const gemma3: Architecture<Gemma3Config> = {
  name: 'gemma3',
  modelTypes: ['gemma3_text'],
  parseConfig: parseGemma3Config,
  linears: gemma3Linears,
  expectedTensors: gemma3Tensors,
  ...decoderNames,
  attentionKinds: ({ globalRope, localRope, queryPreAttnScalar, slidingWindow: window }) => {
    const scale = 1 / Math.sqrt(queryPreAttnScalar);
    return [
      { rope: globalRope, scale },
      { rope: localRope, scale, ...(window === undefined ? {} : { window }) },
    ];
  },
  attentionKindOf: ({ layerTypes }, index) => (layerTypes[index] === 'sliding_attention' ? 1 : 0),
  embed: (weights, ids, _positions, dtype, { hiddenSize }) =>
    tidy(() =>
      mul(
        embedRows(weights.stored(tensorNames.embedding), ids, dtype),
        embeddingScale(hiddenSize, weights.computeDtype),
      ),
    ),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM, true)),
};

/** √D, rounded to bf16 where the model is computed in it, as it was in training. */
export const embeddingScale = (hiddenSize: number, computeDtype: ComputeDType): number => {
  const scale = Math.sqrt(hiddenSize);
  if (computeDtype !== 'bf16') return scale;
  return new Float32Array(Uint32Array.of(toBf16Bits(scale) * 2 ** 16).buffer)[0]!;
};
