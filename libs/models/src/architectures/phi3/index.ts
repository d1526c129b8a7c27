/** Phi-3: Llama with fused projections; part of each head rotated, by longrope where it takes long texts. */
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { phi3Linears, phi3Tensors, parsePhi3Config, type Phi3Config } from './config.ts';
import { layer } from './layer.ts';

export const phi3: Architecture<Phi3Config> = {
  name: 'phi3',
  modelTypes: ['phi3'],
  parseConfig: parsePhi3Config,
  linears: phi3Linears,
  expectedTensors: phi3Tensors,
  ...decoderNames,
  attentionKinds: ({ rope, headDim, slidingWindow: window }) => [
    { rope, scale: 1 / Math.sqrt(headDim), ...(window === undefined ? {} : { window }) },
  ],
  attentionKindOf: () => 0,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};
