import {
  diag,
  eigh,
  liveTensors,
  matmul,
  maximum,
  mul,
  qr,
  singularValues,
  sqrt,
  startEngine,
  sub,
  tensor,
  tidy,
  toFloat64Array,
  transpose,
  type Tensor,
} from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { traceOf } from '../matrix.ts';
import { frobenius, randomNumbers, take } from '../testing/fixture.ts';
import { compressLinear } from './compress-linear.ts';
import { eigenvalueClamp, GramRoot } from './gram-root.ts';

beforeAll(() => startEngine());

const random = (rows: number, columns: number, seed: number): Tensor =>
  tensor(randomNumbers(rows * columns, seed), [rows, columns], 'f64');
/** G = XᵀX of inputs with falling energies. */
const gramOf = (inFeatures: number, tokens: number, seed: number): Tensor =>
  tidy(() => {
    const x = mul(
      random(tokens, inFeatures, seed),
      tensor(
        Float64Array.from({ length: inFeatures }, (_, i) => 1 / (1 + i)),
        [1, inFeatures],
        'f64',
      ),
    );
    return matmul(x, x, { transposeA: true });
  });
/** ‖D G^½‖ = √trace(D G Dᵀ) */
const weighted = (difference: Tensor, gram: Tensor): number =>
  Math.sqrt(traceOf(tidy(() => matmul(matmul(difference, gram), difference, { transposeB: true }))));

/** The authors' way, with the inverse of S: v = √Σ_r V_rᵀ S⁻¹, u = U_r √Σ_r. */
function withInverse(weight: Tensor, gram: Tensor, rank: number): Float64Array {
  return take(
    tidy(() => {
      const { values, vectors } = eigh(gram);
      const floor = (eigenvalueClamp * traceOf(gram)) / (gram.shape[0] ?? 1);
      const root = sqrt(maximum(values, floor));
      const image = mul(matmul(weight, vectors), root);
      const { values: squares, vectors: left } = eigh(matmul(image, image, { transposeB: true }));
      const kept = tensor(
        toFloat64Array(squares).map((_, i) => (i >= squares.size - rank ? 1 : 0)),
        [squares.size],
        'f64',
      );
      const projected = matmul(matmul(mul(left, kept), left, { transposeB: true }), image);
      return matmul(
        matmul(
          projected,
          diag(
            tensor(
              toFloat64Array(root).map((x) => 1 / x),
              [root.size],
              'f64',
            ),
          ),
        ),
        transpose(vectors),
      );
    }),
  );
}

describe.each([
  ['more inputs', 12, 20],
  ['more outputs', 20, 12],
  ['square', 16, 16],
])('%s', (_, outFeatures, inFeatures) => {
  const rank = 5;

  test('what is lost is the tail of the singular values of W S, and no projection loses less', () => {
    using weight = random(outFeatures, inFeatures, 1);
    using gram = gramOf(inFeatures, 100, 2);
    const { u, v, sigma, truncationLoss, relativeTruncationLoss } = compressLinear(weight, gram, rank, 'f64');
    using root = new GramRoot(gram);
    const exact = take(tidy(() => singularValues(matmul(weight, root.root()))));
    expect(frobenius(sigma, exact)).toBeLessThan(1e-10);
    using product = tidy(() => matmul(u, v));
    using difference = sub(weight, product);
    expect(weighted(difference, gram)).toBeCloseTo(truncationLoss, 9);
    expect(relativeTruncationLoss).toBeCloseTo(truncationLoss / Math.hypot(...exact), 12);
    for (let trial = 0; trial < 10; trial += 1) {
      using other = tidy(() => {
        const { q } = qr(random(outFeatures, rank, 100 + trial));
        return sub(weight, matmul(q, matmul(q, weight, { transposeA: true })));
      });
      expect(weighted(other, gram)).toBeGreaterThan(truncationLoss);
    }
    u.dispose();
    v.dispose();
  });

  test.each([
    ['full', 100, false],
    ['rank-deficient', 6, true],
  ])('a %s Gram gives what the form with the inverse gives', (_kind, tokens, clamped) => {
    using weight = random(outFeatures, inFeatures, 3);
    using gram = gramOf(inFeatures, tokens, 4);
    using root = new GramRoot(gram);
    expect(root.clamped).toBe(clamped);
    const { u, v } = compressLinear(weight, root, rank, 'f64');
    expect(frobenius(take(tidy(() => matmul(u, v))), withInverse(weight, gram, rank))).toBeLessThan(1e-6);
    u.dispose();
    v.dispose();
  });

  test('without a Gram it is plain SVD; full rank gives the weight back', () => {
    using weight = random(outFeatures, inFeatures, 5);
    const smaller = Math.min(outFeatures, inFeatures);
    const whole = compressLinear(weight, undefined, smaller, 'f64');
    expect(frobenius(take(tidy(() => matmul(whole.u, whole.v))), toFloat64Array(weight))).toBeLessThan(1e-10);
    expect(frobenius(whole.sigma, take(singularValues(weight)))).toBeLessThan(1e-10);
    const { u, v } = compressLinear(weight, undefined, rank);
    expect([u.dtype, u.shape, v.shape]).toEqual(['f32', [outFeatures, rank], [rank, inFeatures]]);
    for (const t of [whole.u, whole.v, u, v]) t.dispose();
  });
});

test('a weight of lower rank than asked for is kept exactly, without infinities', () => {
  using weight = tidy(() => matmul(random(20, 3, 6), random(3, 12, 7)));
  using gram = gramOf(12, 100, 8);
  const { u, v, truncationLoss } = compressLinear(weight, gram, 8, 'f64');
  expect(truncationLoss).toBeLessThan(1e-6);
  expect(frobenius(take(tidy(() => matmul(u, v))), toFloat64Array(weight))).toBeLessThan(1e-6);
  u.dispose();
  v.dispose();
});

test('a rank out of range, another Gram, and a Gram of nothing are refused', () => {
  using weight = random(4, 6, 9);
  using small = gramOf(5, 20, 1);
  using zero = tensor(new Float64Array(36), [6, 6], 'f64');
  expect(() => compressLinear(weight, undefined, 0)).toThrow(expect.objectContaining({ reason: 'BAD_RANK' }));
  expect(() => compressLinear(weight, undefined, 5)).toThrow(expect.objectContaining({ field: 'rank' }));
  expect(() => compressLinear(weight, small, 2)).toThrow(
    expect.objectContaining({ reason: 'SHAPE_MISMATCH' }),
  );
  expect(() => compressLinear(weight, zero, 2)).toThrow(expect.objectContaining({ reason: 'BAD_GRAM' }));
});

test('nothing but the factors is left', () => {
  const before = liveTensors().count;
  using weight = random(8, 6, 1);
  using gram = gramOf(6, 30, 1);
  const { u, v } = compressLinear(weight, gram, 2);
  expect(liveTensors().count).toBe(before + 4);
  u.dispose();
  v.dispose();
});
