/** Qwen3, dense: Llama with norms of queries and keys and a head size of its own. */
import type { Architecture } from '../../types.ts';
import { rotaryDecoder } from '../rotary-decoder.ts';
import { qwenAttention } from '../qwen-config.ts';
import { qwen3Linears, qwen3Tensors, parseQwen3Config, type Qwen3Config } from './config.ts';
import { layer } from './layer.ts';

export const qwen3: Architecture<Qwen3Config> = {
  name: 'qwen3',
  modelTypes: ['qwen3'],
  parseConfig: parseQwen3Config,
  linears: qwen3Linears,
  expectedTensors: qwen3Tensors,
  ...rotaryDecoder,
  ...qwenAttention,
  ...layer,
};
