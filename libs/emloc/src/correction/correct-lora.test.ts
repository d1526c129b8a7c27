import { add, matmul, mul, startEngine, sub, tensor, tidy, toFloat64Array, type Tensor } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { frobenius, randomNumbers, take } from '../testing/fixture.ts';
import { correctLora } from './correct-lora.ts';

beforeAll(() => startEngine());

const random = (rows: number, columns: number, seed: number, size = 1): Tensor =>
  tensor(
    randomNumbers(rows * columns, seed).map((x) => x * size),
    [rows, columns],
    'f64',
  );
const product = (b: Tensor, a: Tensor, scale: number): Float64Array =>
  take(tidy(() => mul(matmul(b, a), scale)));

const outFeatures = 7;
const inFeatures = 10;
const rank = 3;

test.each([1, 4, 0.5])(
  'with no limit the corrected original does on the span of A what the trained emulator did (scale %s)',
  (scale) => {
    using a = random(rank, inFeatures, 1);
    using b = random(outFeatures, rank, 2);
    using weight = random(outFeatures, inFeatures, 3);
    using u = random(outFeatures, 2, 4);
    using v = random(2, inFeatures, 5);
    const corrected = correctLora(a, b, weight, { u, v }, scale, Infinity);
    expect(corrected.clamped).toBe(0);
    using x = tidy(() => matmul(random(20, rank, 6), a)); // in the span of A
    const through = (w: Tensor, lora: { a: Tensor; b: Tensor }): Float64Array =>
      take(
        tidy(() => {
          const whole = add(w, mul(matmul(lora.b, lora.a), scale));
          return matmul(x, whole, { transposeB: true });
        }),
      );
    using emulated = tidy(() => matmul(u, v));
    expect(frobenius(through(weight, corrected), through(emulated, { a, b }))).toBeLessThan(1e-12);
    expect([corrected.a.shape, corrected.b.shape]).toEqual([a.shape, b.shape]);
    corrected.a.dispose();
    corrected.b.dispose();
  },
);

test('a limit bounds each row of the correction beside the adapter', () => {
  using a = random(rank, inFeatures, 1);
  using b = random(outFeatures, rank, 2, 0.01);
  using weight = random(outFeatures, inFeatures, 3);
  using emulated = random(outFeatures, inFeatures, 4);
  const limit = 0.5;
  const scale = 2;
  const {
    a: basis,
    b: changed,
    ratios,
    clamped,
  } = correctLora(a, b, weight, { weight: emulated }, scale, limit);
  expect(clamped).toBe(rank);
  for (const ratio of ratios) expect(ratio).toBeGreaterThan(limit);
  // B' in the new basis, and what was taken from it.
  const rows = take(
    tidy(() => mul(matmul(basis, matmul(a, b, { transposeA: true, transposeB: true })), scale)),
  );
  const after = take(tidy(() => mul(changed, scale)));
  for (let i = 0; i < rank; i += 1) {
    let [own, taken] = [0, 0];
    for (let j = 0; j < outFeatures; j += 1) {
      const was = rows[i * outFeatures + j] ?? NaN;
      own += Math.abs(was);
      taken += Math.abs(was - (after[j * rank + i] ?? NaN));
    }
    expect(taken / own).toBeCloseTo(limit, 10);
  }
  basis.dispose();
  changed.dispose();
});

test('a linear that was left full keeps its product, in the orthonormal basis', () => {
  using a = random(rank, inFeatures, 1);
  using b = random(outFeatures, rank, 2);
  using weight = random(outFeatures, inFeatures, 3);
  const corrected = correctLora(a, b, weight, 'full', 2);
  expect([...corrected.ratios]).toEqual([0, 0, 0]);
  expect(frobenius(product(corrected.b, corrected.a, 2), product(b, a, 2))).toBeLessThan(1e-12);
  const gram = take(tidy(() => sub(matmul(corrected.a, corrected.a, { transposeB: true }), 0)));
  gram.forEach((value, i) => expect(value).toBeCloseTo(i % (rank + 1) === 0 ? 1 : 0, 12));
  corrected.a.dispose();
  corrected.b.dispose();
});

test('an adapter that does nothing stays one that does nothing', () => {
  using a = random(rank, inFeatures, 1);
  using b = tensor(new Float64Array(outFeatures * rank), [outFeatures, rank], 'f64');
  using weight = random(outFeatures, inFeatures, 3);
  using emulated = random(outFeatures, inFeatures, 4);
  const corrected = correctLora(a, b, weight, { weight: emulated }, 1);
  expect(Math.hypot(...toFloat64Array(corrected.b))).toBe(0);
  expect(corrected.clamped).toBe(rank);
  corrected.a.dispose();
  corrected.b.dispose();
});
