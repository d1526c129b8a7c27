import { expect, test } from 'vitest';
import * as half from './half.ts';

test('every half-precision number survives the way to float32 and back', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const f16 = half.fromF16Bits(bits);
    if (!Number.isNaN(f16)) expect(half.toF16Bits(f16)).toBe(bits);
    const bf16 = half.fromBf16Bits(bits);
    if (!Number.isNaN(bf16)) expect(half.toBf16Bits(bf16)).toBe(bits);
  }
});

test('ties go to the even neighbour, and what is too large to infinity', () => {
  expect(half.fromBf16Bits(half.toBf16Bits(1 + 2 ** -8))).toBe(1);
  expect(half.fromBf16Bits(half.toBf16Bits(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
  expect(half.fromF16Bits(half.toF16Bits(1 + 2 ** -11))).toBe(1);
  expect(half.fromF16Bits(half.toF16Bits(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
  expect(half.fromF16Bits(half.toF16Bits(65519))).toBe(65504);
  expect(half.fromF16Bits(half.toF16Bits(65520))).toBe(Infinity);
  expect(half.fromF16Bits(half.toF16Bits(2 ** -25))).toBe(0);
  expect(half.fromF16Bits(half.toF16Bits(1.1 * 2 ** -25))).toBe(2 ** -24);
  expect(half.fromBf16Bits(half.toBf16Bits(3.4e38))).toBe(Infinity);
});

test('NaN stays NaN and arrays agree with single numbers', () => {
  const values = Float32Array.of(0, -0, 1.1, -3.7e-5, 1e-41, 7e4, NaN, -Infinity, 65504);
  const f16 = half.float32ToF16(values);
  const bf16 = half.float32ToBf16(values);
  expect([...f16]).toEqual([...values].map(half.toF16Bits));
  expect([...bf16]).toEqual([...values].map(half.toBf16Bits));
  expect([...half.f16ToFloat32(f16)]).toEqual([...f16].map(half.fromF16Bits));
  expect([...half.bf16ToFloat32(bf16)]).toEqual([...bf16].map(half.fromBf16Bits));
  expect(half.f16ToFloat32(f16)[6]).toBeNaN();
  expect(half.bf16ToFloat32(bf16)[6]).toBeNaN();
});
