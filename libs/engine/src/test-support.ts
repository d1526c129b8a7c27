/** What the engine's own tests share. */
import { expect } from 'vitest';
import { toArray } from './create.ts';
import type { Tensor } from './tensor.ts';

/** The largest |a - b|. */
export function largestDifference(a: Tensor | readonly number[], b: Tensor | readonly number[]): number {
  const [x, y] = [numbers(a), numbers(b)];
  expect(x.length).toBe(y.length);
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!)), 0);
}

export function expectClose(
  actual: Tensor | readonly number[],
  expected: Tensor | readonly number[],
  tolerance: number,
): void {
  expect(largestDifference(actual, expected)).toBeLessThanOrEqual(tolerance);
}

const numbers = (a: Tensor | readonly number[]): readonly number[] =>
  Array.isArray(a) ? a : toArray(a as Tensor);
