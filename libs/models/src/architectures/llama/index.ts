/** Llama: RMSNorm, rotary positions, grouped key-value heads, SwiGLU. */
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { llamaLinears, llamaTensors, parseLlamaConfig, type LlamaConfig } from './config.ts';
import { layer } from './layer.ts';

export const llama: Architecture<LlamaConfig> = {
  name: 'llama',
  modelTypes: ['llama'],
  parseConfig: parseLlamaConfig,
  linears: llamaLinears,
  expectedTensors: llamaTensors,
  ...decoderNames,
  attentionKinds: ({ rope, headDim }) => [{ rope, scale: 1 / Math.sqrt(headDim) }],
  attentionKindOf: () => 0,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};
