/** Mistral: Llama with a sliding window in every layer, or without (later versions). */
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { mistralLinears, mistralTensors, parseMistralConfig, type MistralConfig } from './config.ts';
import { layer } from './layer.ts';

export const mistral: Architecture<MistralConfig> = {
  name: 'mistral',
  modelTypes: ['mistral'],
  parseConfig: parseMistralConfig,
  linears: mistralLinears,
  expectedTensors: mistralTensors,
  ...decoderNames,
  attentionKinds: ({ rope, headDim, slidingWindow: window }) => [
    { rope, scale: 1 / Math.sqrt(headDim), ...(window === undefined ? {} : { window }) },
  ],
  attentionKindOf: () => 0,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};
