/** Qwen3, dense: Llama with norms of queries and keys and a head size of its own. */
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { qwenAttention } from '../qwen-config.ts';
import { qwen3Linears, qwen3Tensors, parseQwen3Config, type Qwen3Config } from './config.ts';
import { layer } from './layer.ts';

export const qwen3: Architecture<Qwen3Config> = {
  name: 'qwen3',
  modelTypes: ['qwen3'],
  parseConfig: parseQwen3Config,
  linears: qwen3Linears,
  expectedTensors: qwen3Tensors,
  ...decoderNames,
  ...qwenAttention,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};
