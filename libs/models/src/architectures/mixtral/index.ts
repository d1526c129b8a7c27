/** Mixtral: Mistral whose MLP is a mixture of experts. */
import type { Architecture } from '../../types.ts';
import { oneAttention, rotaryDecoder } from '../rotary-decoder.ts';
import { mixtralLinears, mixtralTensors, parseMixtralConfig, type MixtralConfig } from './config.ts';
import { layer } from './layer.ts';

export const mixtral: Architecture<MixtralConfig> = {
  name: 'mixtral',
  modelTypes: ['mixtral'],
  parseConfig: parseMixtralConfig,
  linears: mixtralLinears,
  expectedTensors: mixtralTensors,
  ...rotaryDecoder,
  ...oneAttention(({ slidingWindow }) => slidingWindow),
  ...layer,
};
