/** Llama: RMSNorm, rotary positions, grouped key-value heads, SwiGLU. */
import type { Architecture } from '../../types.ts';
import { oneAttention, rotaryDecoder } from '../rotary-decoder.ts';
import { llamaLinears, llamaTensors, parseLlamaConfig, type LlamaConfig } from './config.ts';
import { layer } from './layer.ts';

export const llama: Architecture<LlamaConfig> = {
  name: 'llama',
  modelTypes: ['llama'],
  parseConfig: parseLlamaConfig,
  linears: llamaLinears,
  expectedTensors: llamaTensors,
  ...rotaryDecoder,
  ...oneAttention(() => undefined),
  ...layer,
};
