/**
 * How products of bf16 matrices are computed: as they are, where the processor multiplies bf16 itself, else cast to
 * f32 for the call. Measured: docs/decisions/0103-half-precision-products.md.
 */
import { EmlocError } from '@emloc/errors';
import type { CpuInfo } from './runtime/platform.ts';

export type HalfPrecision = 'native' | 'cast';

/** Processor abilities that multiply bf16 at twice the speed of f32 or more. */
const NATIVE_FEATURES = ['avx512_bf16', 'amx_bf16'];

let current: HalfPrecision = 'cast';

/** EMLOC_BF16_MATMUL, or what suits the device. */
export function chooseHalfPrecision(
  cpu: Pick<CpuInfo, 'features'>,
  gpu: boolean,
  env: NodeJS.ProcessEnv = process.env,
): HalfPrecision {
  const told = env.EMLOC_BF16_MATMUL;
  if (told === 'native' || told === 'cast') return told;
  if (told) {
    throw new EmlocError('INVALID_ARGUMENT', 'SETTING_UNKNOWN', `no such way to multiply: ${told}`, {
      field: 'EMLOC_BF16_MATMUL',
      value: told,
      mend: 'use native or cast, or unset it',
    });
  }
  return gpu || NATIVE_FEATURES.some((feature) => cpu.features.includes(feature)) ? 'native' : 'cast';
}

export function setHalfPrecision(way: HalfPrecision): void {
  current = way;
}

export const halfPrecision = (): HalfPrecision => current;
