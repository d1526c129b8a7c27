import { liveTensors, startEngine, tensor, tidy } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { gradientError, random, randomNumbers, values } from '../testing/fixture.ts';
import { layerNorm, layerNormBackward } from './layer-norm.ts';

beforeAll(() => startEngine());

const [rows, width, eps] = [5, 12, 1e-3];

test('rows have the mean of the bias and the spread of the weight', () => {
  using x = random([rows, width], 1);
  using one = tensor(new Float64Array(width).fill(2), [width], 'f64');
  using bias = tensor(new Float64Array(width).fill(0.5), [width], 'f64');
  const y = tidy(() => values(layerNorm(x, one, bias, 0).y));
  for (let row = 0; row < rows; row += 1) {
    const own = [...y.subarray(row * width, (row + 1) * width)];
    const mean = own.reduce((a, b) => a + b, 0) / width;
    expect(mean).toBeCloseTo(0.5, 12);
    expect(own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width).toBeCloseTo(4, 10);
  }
});

test('the backward agrees with finite differences, and leaves nothing', () => {
  const before = liveTensors().count;
  const [x, dy] = [randomNumbers(rows * width, 1), randomNumbers(rows * width, 2)];
  const [weight, bias] = [random([width], 3), random([width], 4)];
  const at = (numbers: Float64Array) => tensor(numbers, [rows, width], 'f64');
  const gradient = tidy(() => {
    const input = at(x);
    return values(layerNormBackward(input, at(dy), weight, layerNorm(input, weight, bias, eps)));
  });
  const forward = (numbers: Float64Array) => tidy(() => values(layerNorm(at(numbers), weight, bias, eps).y));
  expect(gradientError(forward, x, dy, gradient)).toBeLessThan(1e-8);
  weight.dispose();
  bias.dispose();
  expect(liveTensors().count).toBe(before);
});
