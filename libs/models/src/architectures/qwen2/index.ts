/** Qwen2: Llama with biases of q, k and v, and windows in some layers where the configuration asks for them. */
import { layerOf } from '../../layers/parts.ts';
import type { Architecture } from '../../types.ts';
import { attentionBranch, mlpBranch, rotaryDecoder } from '../rotary-decoder.ts';
import { qwenAttention } from '../qwen-config.ts';
import { qwen2Linears, qwen2Tensors, parseQwen2Config, type Qwen2Config } from './config.ts';

export const qwen2: Architecture<Qwen2Config> = {
  name: 'qwen2',
  modelTypes: ['qwen2'],
  parseConfig: parseQwen2Config,
  linears: qwen2Linears,
  expectedTensors: qwen2Tensors,
  ...rotaryDecoder,
  ...qwenAttention,
  ...layerOf(attentionBranch(), mlpBranch()),
};
