/** Qwen3 as a mixture of experts: norms of queries and keys, K of E gated MLPs for each token. */
import type { Architecture } from '../../types.ts';
import { oneAttention, rotaryDecoder } from '../rotary-decoder.ts';
import { parseQwen3MoeConfig, qwen3MoeLinears, qwen3MoeTensors, type Qwen3MoeConfig } from './config.ts';
import { layer } from './layer.ts';

export const qwen3Moe: Architecture<Qwen3MoeConfig> = {
  name: 'qwen3-moe',
  modelTypes: ['qwen3_moe'],
  parseConfig: parseQwen3MoeConfig,
  linears: qwen3MoeLinears,
  expectedTensors: qwen3MoeTensors,
  ...rotaryDecoder,
  ...oneAttention(({ slidingWindow }) => slidingWindow),
  ...layer,
};
