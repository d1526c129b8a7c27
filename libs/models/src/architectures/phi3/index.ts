/** Phi-3: Llama with fused projections; part of each head rotated, by longrope where it takes long texts. */
import type { Architecture } from '../../types.ts';
import { oneAttention, rotaryDecoder } from '../rotary-decoder.ts';
import { phi3Linears, phi3Tensors, parsePhi3Config, type Phi3Config } from './config.ts';
import { layer } from './layer.ts';

export const phi3: Architecture<Phi3Config> = {
  name: 'phi3',
  modelTypes: ['phi3'],
  parseConfig: parsePhi3Config,
  linears: phi3Linears,
  expectedTensors: phi3Tensors,
  ...rotaryDecoder,
  ...oneAttention(({ slidingWindow }) => slidingWindow),
  ...layer,
};
