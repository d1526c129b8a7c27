/**
 * Random numbers from a seed: the same seed and shape give the same numbers on every run and every machine
 * (TensorFlow's stateless Philox).
 */
import type { DType } from '@emloc/tensor-stream';
import { attr } from '../binding/execute.ts';
import { tensor } from '../create.ts';
import type { Tensor } from '../tensor.ts';
import { tidy } from '../tidy.ts';
import { intVector, op } from './call.ts';
import { add, mul } from './math.ts';

type Float = Extract<DType, 'f32' | 'f64' | 'f16' | 'bf16'>;

export interface RandomOptions {
  /** One number, or two where one does not tell apart (a seed and a step). */
  readonly seed: number | readonly [number, number];
  readonly dtype?: Float;
}

function stateless(name: string, shape: readonly number[], { seed, dtype = 'f32' }: RandomOptions): Tensor {
  using key = tensor(typeof seed === 'number' ? [seed, 0] : seed, [2], 'i64');
  return op(name, [intVector(shape), key], [attr.type('dtype', dtype)]);
}

/** Even in [low, high). */
export function randomUniform(
  shape: readonly number[],
  options: RandomOptions & { low?: number; high?: number },
): Tensor {
  const { low = 0, high = 1 } = options;
  return tidy(() => {
    const unit = stateless('StatelessRandomUniform', shape, options);
    return low === 0 && high === 1 ? unit : add(mul(unit, high - low), low);
  });
}

/** Normal, of mean 0 unless told otherwise. */
export function randomNormal(
  shape: readonly number[],
  options: RandomOptions & { mean?: number; standardDeviation?: number },
): Tensor {
  const { mean = 0, standardDeviation = 1 } = options;
  return tidy(() => {
    const unit = stateless('StatelessRandomNormal', shape, options);
    return mean === 0 && standardDeviation === 1 ? unit : add(mul(unit, standardDeviation), mean);
  });
}
