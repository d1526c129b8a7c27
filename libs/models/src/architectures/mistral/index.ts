/** Mistral: Llama with a sliding window in every layer, or without (later versions). */
import { layerOf } from '../../layers/parts.ts';
import type { Architecture } from '../../types.ts';
import { attentionBranch, mlpBranch, oneAttention, rotaryDecoder } from '../rotary-decoder.ts';
import { mistralLinears, mistralTensors, parseMistralConfig, type MistralConfig } from './config.ts';

export const mistral: Architecture<MistralConfig> = {
  name: 'mistral',
  modelTypes: ['mistral'],
  parseConfig: parseMistralConfig,
  linears: mistralLinears,
  expectedTensors: mistralTensors,
  ...rotaryDecoder,
  ...oneAttention(({ slidingWindow }) => slidingWindow),
  ...layerOf(attentionBranch(), mlpBranch()),
};
