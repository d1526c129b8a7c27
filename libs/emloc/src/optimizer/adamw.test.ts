import { liveTensors, startEngine, tensor, toFloat64Array } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { maxRelative, randomNumbers } from '../testing/fixture.ts';
import { adamwInit, adamwUpdate, disposeAdamW } from './adamw.ts';
import { clipFactor, clipped, gradientNorm } from './clip.ts';

beforeAll(() => startEngine());

const options = { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, weightDecay: 0.01 };

/** PyTorch's formula, number by number. */
function reference(p: number, gradients: readonly number[], rates: readonly number[]): number {
  let [m, v] = [0, 0];
  gradients.forEach((g, i) => {
    const [t, rate] = [i + 1, rates[i] ?? 0];
    p *= 1 - rate * options.weightDecay;
    m = options.adamBeta1 * m + (1 - options.adamBeta1) * g;
    v = options.adamBeta2 * v + (1 - options.adamBeta2) * g * g;
    const corrected = m / (1 - options.adamBeta1 ** t);
    p -= (rate * corrected) / (Math.sqrt(v / (1 - options.adamBeta2 ** t)) + options.adamEpsilon);
  });
  return p;
}

test('ten updates are PyTorch’s, and nothing is left behind', () => {
  const before = liveTensors().count;
  const size = 50;
  const start = randomNumbers(size, 1);
  const gradients = Array.from({ length: 10 }, (_, i) => randomNumbers(size, 2 + i));
  const rates = gradients.map((_, i) => 1e-3 * i);
  let parameters = tensor(start, [size], 'f64');
  let state = adamwInit(parameters);
  gradients.forEach((values, i) => {
    using gradient = tensor(values, [size], 'f64');
    const next = adamwUpdate(parameters, gradient, state, rates[i] ?? 0, options);
    parameters.dispose();
    disposeAdamW(state);
    ({ parameters, state } = next);
  });
  const expected = start.map((p, i) =>
    reference(
      p,
      gradients.map((g) => g[i] ?? NaN),
      rates,
    ),
  );
  expect(maxRelative(toFloat64Array(parameters), expected)).toBeLessThan(1e-14);
  expect(state.updates).toBe(10);
  parameters.dispose();
  disposeAdamW(state);
  expect(liveTensors().count).toBe(before);
});

test('clipping scales to the given norm, leaves small gradients alone, and 0 means none', () => {
  using gradient = tensor([3, 4], [2], 'f64');
  const norm = gradientNorm(gradient);
  expect(norm).toBe(5);
  expect(clipFactor(5, 1)).toBe(1 / (5 + 1e-6));
  using small = clipped(gradient, norm, 1);
  expect(gradientNorm(small)).toBeCloseTo(1, 6);
  expect(clipped(gradient, norm, 10)).toBe(gradient);
  expect(clipped(gradient, norm, 0)).toBe(gradient);
});
