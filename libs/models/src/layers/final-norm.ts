/** A norm as what stands before the output matrix. */
import { tidy } from '@emloc/engine';
import type { Architecture, ModelConfig } from '../types.ts';
import type { Norm } from './parts.ts';

export const finalNormOf = <C extends ModelConfig>(
  norm: Norm<C>,
): Pick<Architecture<C>, 'finalNorm' | 'finalNormBackward'> => ({
  finalNorm: (x, head, config) => tidy(() => norm.forward(x, head, config).y),
  finalNormBackward: (x, dy, head, config) =>
    tidy(() => norm.backward(x, dy, norm.forward(x, head, config), head, config)),
});
