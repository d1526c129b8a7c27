import { writeSafetensors } from '@emloc/tensor-stream';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import type { ModelDirectory } from '../types.ts';
import { checkFinite } from './check-finite.ts';

const write = {
  f64: (x: number[]) => new Uint8Array(Float64Array.from(x).buffer),
  f32: (x: number[]) => new Uint8Array(Float32Array.from(x).buffer),
  bf16: (x: number[]) =>
    new Uint8Array(Uint16Array.from(x, (v) => new Uint32Array(Float32Array.of(v).buffer)[0]! >>> 16).buffer),
  // Bit patterns of 1.5, −65504 (the largest) and infinity.
  f16: (x: number[]) =>
    new Uint8Array(
      Uint16Array.from(x, (v) => (Number.isFinite(v) ? (v < 0 ? 0xfbff : 0x3e00) : 0xfc00)).buffer,
    ),
};

test.each(['f64', 'f32', 'bf16', 'f16'] as const)(
  '%s: large, small and negative numbers pass, others are found',
  async (dtype) => {
    const dir = temporaryDirectory();
    const file = join(dir, 'model.safetensors');
    const check = (numbers: number[]): Promise<void> => {
      writeSafetensors(file, [{ name: 'w', dtype, shape: [numbers.length], bytes: write[dtype](numbers) }]);
      return checkFinite({ weightFiles: [file] } as unknown as ModelDirectory);
    };
    const fine = [0, -0, 1.5, -3.3e38, 3.3e38, 1e-40, -1e-30];
    await check(fine);
    for (const bad of [NaN, Infinity, -Infinity])
      for (const at of [0, 3, 6])
        await expect(check(fine.map((x, i) => (i === at ? bad : x)))).rejects.toThrow(`at element ${at}`);
  },
);
