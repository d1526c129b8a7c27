/** Llama: RMSNorm, rotary positions, grouped key-value heads, SwiGLU. */
import { rmsNorm, rmsNormBackward } from '../../layers/rms-norm.ts';
import { tidy } from '@emloc/engine';
import type { Architecture } from '../../types.ts';
import { layerBackward } from './backward.ts';
import { llamaLinears, llamaTensors, moduleName, parseLlamaConfig, tensorNames } from './config.ts';
import { embed, layerForward } from './forward.ts';

export const llama: Architecture = {
  name: 'llama',
  modelTypes: ['llama'],
  parseConfig: parseLlamaConfig,
  linears: llamaLinears,
  expectedTensors: llamaTensors,
  moduleName,
  tensorNames,
  embed,
  layerForward,
  layerBackward,
  finalNorm: (x, head, config) => tidy(() => rmsNorm(x, head.norm, config.rmsNormEps).y),
  finalNormBackward: (x, dy, head, config) =>
    tidy(() => rmsNormBackward(x, dy, head.norm, rmsNorm(x, head.norm, config.rmsNormEps).inverse)),
};
