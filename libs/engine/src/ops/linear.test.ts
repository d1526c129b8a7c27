import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { halfPrecision, setHalfPrecision, chooseHalfPrecision } from '../half-precision.ts';
import * as e from '../index.ts';
import { expectClose } from '../test-support.ts';

let chosen: ReturnType<typeof halfPrecision>;
beforeAll(async () => {
  await e.startEngine();
  chosen = halfPrecision();
});
afterEach(() => setHalfPrecision(chosen));

describe.each([
  ['f32', 'cast', 1e-5],
  ['f64', 'cast', 1e-5],
  ['f16', 'cast', 1e-5],
  ['bf16', 'cast', 1e-5],
  ['bf16', 'native', 0.1],
] as const)('weights in %s, %s', (dtype, way, tolerance) => {
  test('forward and backward agree with the product of the same weights in f64', () => {
    setHalfPrecision(way);
    e.tidy(() => {
      const x = e.randomNormal([2, 5, 16], { seed: 1 });
      const w = e.cast(e.randomNormal([12, 16], { seed: 2 }), dtype);
      const dy = e.randomNormal([2, 5, 12], { seed: 3 });
      const exact = e.cast(w, 'f64');
      const y = e.linear(x, w);
      expect([y.dtype, y.shape]).toEqual(['f32', [2, 5, 12]]);
      expectClose(y, e.matmul(e.cast(x, 'f64'), exact, { transposeB: true }), tolerance);
      const dx = e.linearBackward(dy, w);
      expect([dx.dtype, dx.shape]).toEqual(['f32', [2, 5, 16]]);
      expectClose(dx, e.matmul(e.cast(dy, 'f64'), exact), tolerance);
    });
  });
});

test.each([
  ['f32', 'cast'],
  ['bf16', 'cast'],
  ['bf16', 'native'],
] as const)(
  'two linears one after the other, in %s, %s: the same numbers as each by itself',
  (dtype, way) => {
    setHalfPrecision(way);
    e.tidy(() => {
      const x = e.randomNormal([5, 16], { seed: 1 });
      const dy = e.randomNormal([5, 12], { seed: 2 });
      const v = e.cast(e.randomNormal([4, 16], { seed: 3 }), dtype);
      const u = e.cast(e.randomNormal([12, 4], { seed: 4 }), dtype);
      const same = (one: e.Tensor, other: e.Tensor): void =>
        expect([one.dtype, ...e.toFloat64Array(one)]).toEqual([other.dtype, ...e.toFloat64Array(other)]);
      same(e.linearTwice(x, v, u), e.linear(e.linear(x, v), u));
      const { dx, dBetween } = e.linearTwiceBackward(dy, v, u);
      const between = e.linearBackward(dy, u);
      same(e.cast(dBetween, 'f32'), between);
      same(dx, e.linearBackward(between, v));
    });
  },
);

test('weights beyond the limit are cast block by block, to the same result', () => {
  setHalfPrecision('cast');
  e.tidy(() => {
    // 2^24 + some elements: 64 MiB in f32 hold 2^24.
    const [rows, columns] = [4100, 4096];
    const w = e.cast(e.randomNormal([rows, columns], { seed: 1 }), 'bf16');
    const x = e.randomNormal([2, columns], { seed: 2 });
    const whole = e.cast(w, 'f32');
    expectClose(e.linear(x, w), e.matmul(x, whole, { transposeB: true }), 1e-3);
    const dy = e.randomNormal([2, rows], { seed: 3 });
    expectClose(e.linearBackward(dy, w), e.matmul(dy, whole), 1e-3);
  });
});

test('the way is chosen by the processor, the card or the user', () => {
  expect(chooseHalfPrecision({ features: ['avx2'] }, false, {})).toBe('cast');
  expect(chooseHalfPrecision({ features: ['avx512_bf16'] }, false, {})).toBe('native');
  expect(chooseHalfPrecision({ features: ['amx_bf16'] }, false, {})).toBe('native');
  expect(chooseHalfPrecision({ features: [] }, true, {})).toBe('native');
  expect(chooseHalfPrecision({ features: [] }, false, { EMLOC_BF16_MATMUL: 'native' })).toBe('native');
  expect(() => chooseHalfPrecision({ features: [] }, false, { EMLOC_BF16_MATMUL: 'fast' })).toThrow('fast');
});
