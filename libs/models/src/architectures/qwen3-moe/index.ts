/** Qwen3 as a mixture of experts: norms of queries and keys, K of E gated MLPs for each token. */
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { parseQwen3MoeConfig, qwen3MoeLinears, qwen3MoeTensors, type Qwen3MoeConfig } from './config.ts';
import { layer } from './layer.ts';

export const qwen3Moe: Architecture<Qwen3MoeConfig> = {
  name: 'qwen3-moe',
  modelTypes: ['qwen3_moe'],
  parseConfig: parseQwen3MoeConfig,
  linears: qwen3MoeLinears,
  expectedTensors: qwen3MoeTensors,
  ...decoderNames,
  attentionKinds: ({ rope, headDim, window }) => [
    { rope, scale: 1 / Math.sqrt(headDim), ...(window === undefined ? {} : { window }) },
  ],
  attentionKindOf: () => 0,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};
