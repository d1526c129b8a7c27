/**
 * Dropout on an adapter's input, as PEFT places it. A layer's forward is computed twice (recomputation) and its
 * backward needs the same mask again, so a mask is never kept: it is a function of where it is used.
 */
import { cast, greaterEqual, mul, randomUniform, tidy, type Tensor } from '@emloc/engine';
import { hash32 } from './random.ts';

export interface DropoutDraw {
  readonly probability: number;
  readonly seed: number;
  readonly step: number;
  readonly micro: number;
}

/** 0 with the given probability, else 1 / (1 − probability). */
export function dropoutMask(
  { probability, seed, step, micro }: DropoutDraw,
  module: string,
  shape: readonly number[],
  dtype: 'f32' | 'f64',
): Tensor {
  return tidy(() => {
    const uniform = randomUniform(shape, {
      seed: [hash32('dropout', seed, step), hash32(micro, module)],
      dtype,
    });
    const kept = greaterEqual(uniform, probability);
    return mul(cast(kept, dtype), 1 / (1 - probability));
  });
}
