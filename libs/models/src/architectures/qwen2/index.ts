/** Qwen2: Llama with biases of q, k and v, and windows in some layers where the configuration asks for them. */
import { embedRows } from '../../layers/embedding.ts';
import { finalNormOf } from '../../layers/final-norm.ts';
import { rmsNormOf } from '../../layers/rms-norm.ts';
import type { Architecture } from '../../types.ts';
import { decoderNames, FINAL_NORM, tensorNames } from '../decoder-names.ts';
import { qwenAttention } from '../qwen-config.ts';
import { qwen2Linears, qwen2Tensors, parseQwen2Config, type Qwen2Config } from './config.ts';
import { layer } from './layer.ts';

export const qwen2: Architecture<Qwen2Config> = {
  name: 'qwen2',
  modelTypes: ['qwen2'],
  parseConfig: parseQwen2Config,
  linears: qwen2Linears,
  expectedTensors: qwen2Tensors,
  ...decoderNames,
  ...qwenAttention,
  embed: (weights, ids, _positions, dtype) => embedRows(weights.stored(tensorNames.embedding), ids, dtype),
  ...layer,
  ...finalNormOf(rmsNormOf(FINAL_NORM)),
};
