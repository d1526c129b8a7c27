/** Mixtral: Mistral whose MLP is a mixture of experts. */
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { mixtralLinears, mixtralTensors, parseMixtralConfig, type MixtralConfig } from './config.ts';
import { layer } from './layer.ts';

export const mixtral: Architecture<MixtralConfig> = {
  name: 'mixtral',
  modelTypes: ['mixtral'],
  parseConfig: parseMixtralConfig,
  linears: mixtralLinears,
  expectedTensors: mixtralTensors,
  ...decoderNames,
  attentionKinds: ({ rope, headDim, window }) => [
    { rope, scale: 1 / Math.sqrt(headDim), ...(window === undefined ? {} : { window }) },
  ],
  attentionKindOf: () => 0,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};
