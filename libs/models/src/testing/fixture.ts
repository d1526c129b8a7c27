/** What tests share: the tiny golden model, its numbers, and small comparisons. */
import { tensor, toFloat64Array, type Tensor } from '@emloc/engine';
import { readSafetensorsHeader, readTensorBytes } from '@emloc/tensor-stream';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const tinyLlama = fileURLToPath(new URL('../../../../tests/fixtures/tiny-llama', import.meta.url));

export const fixtureJson = <T>(name: string, dir = tinyLlama): T =>
  JSON.parse(readFileSync(join(dir, name), 'utf8')) as T;

const fixtures = dirname(tinyLlama);

/** Directories of golden numbers (tests/reference/make_golden.py), an architecture each. */
export const goldenFixtures: readonly string[] = readdirSync(fixtures)
  .filter((name) => existsSync(join(fixtures, name, 'golden.json')))
  .map((name) => join(fixtures, name));

/** A golden f32 tensor by name. */
export const golden = (name: string, dir = tinyLlama): { values: Float32Array; shape: readonly number[] } => {
  const file = readSafetensorsHeader(join(dir, 'golden.safetensors'));
  const bytes = readTensorBytes(file, name);
  return {
    values: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
    shape: file.tensors.get(name)!.shape,
  };
};

/** max|a − b| / max|b| */
export const maxRelative = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return difference / largest;
};

/** Repeatable numbers, roughly normal. */
export const randomNumbers = (count: number, seed: number): Float64Array => {
  let state = (seed * 2654435761 + 1) >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float64Array.from({ length: count }, () => uniform() + uniform() + uniform() + uniform() - 2);
};

export const random = (shape: readonly number[], seed: number, dtype: 'f32' | 'f64' = 'f64'): Tensor =>
  tensor(
    randomNumbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
    dtype,
  );

/**
 * The gradient of Σ w·f(x) against central differences, in some directions: largest difference relative to the
 * gradient's norm. `gradient` is claimed for the same weighting w.
 */
export const gradientError = (
  f: (x: Float64Array) => Float64Array,
  x: Float64Array,
  w: Float64Array,
  gradient: Float64Array,
): number => {
  const h = 1e-5;
  const norm = Math.hypot(...gradient);
  let worst = 0;
  for (let trial = 0; trial < 6; trial++) {
    const direction = randomNumbers(x.length, 1000 + trial);
    const shift = (sign: number): Float64Array => x.map((v, i) => v + sign * h * direction[i]!);
    const [up, down] = [f(shift(1)), f(shift(-1))];
    let numeric = 0;
    for (let i = 0; i < w.length; i++) numeric += (w[i]! * (up[i]! - down[i]!)) / (2 * h);
    const analytic = direction.reduce((sum, d, i) => sum + d * gradient[i]!, 0);
    worst = Math.max(worst, Math.abs(numeric - analytic) / (norm * Math.hypot(...direction)));
  }
  return worst;
};

export const values = (t: Tensor): Float64Array => toFloat64Array(t);
