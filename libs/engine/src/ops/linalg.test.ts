import { beforeAll, describe, expect, test } from 'vitest';
import * as e from '../index.ts';
import { expectClose } from '../test-support.ts';

beforeAll(async () => {
  await e.startEngine();
});

const inScope = (body: () => void) => () => e.tidy(body);
const diagonal = (x: e.Tensor): e.Tensor => e.diag(x);

describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
  const tolerance = dtype === 'f32' ? 2e-5 : 1e-12;
  const random = (rows: number, columns: number, seed: number) =>
    e.randomNormal([rows, columns], { seed, dtype });
  const positive = (n: number) => {
    const a = random(n, 2 * n, 1);
    return e.div(e.matmul(a, a, { transposeB: true }), 2 * n);
  };
  const expectOrthonormal = (q: e.Tensor) =>
    expectClose(e.matmul(q, q, { transposeA: true }), e.eye(q.shape[1]!, dtype), tolerance);
  const expectAscending = (values: number[]) =>
    expect(values.every((v, i) => i === 0 || v >= values[i - 1]!)).toBe(true);

  test(
    'eigh: ascending values, orthonormal vectors, V Λ Vᵀ reconstructs',
    inScope(() => {
      const g = positive(24);
      const { values, vectors } = e.eigh(g);
      expectAscending(e.toArray(values));
      expectOrthonormal(vectors);
      expectClose(e.matmul(e.mul(vectors, values), vectors, { transposeB: true }), g, tolerance);
    }),
  );

  test(
    'eigh of a matrix without full rank has its zeros',
    inScope(() => {
      const a = random(10, 3, 5);
      const values = e.toArray(e.eigh(e.matmul(a, a, { transposeB: true })).values);
      expect(values.slice(0, 7).every((v) => Math.abs(v) < tolerance * 10)).toBe(true);
      expect(values[7]).toBeGreaterThan(0.1);
    }),
  );

  test.each([
    [7, 4],
    [4, 7],
    [5, 5],
  ])('svd of %i×%i: thin, falling, U Σ Vᵀ reconstructs', (m, n) => {
    e.tidy(() => {
      const x = random(m, n, 3);
      const { u, s, v } = e.svd(x);
      const k = Math.min(m, n);
      expect([u.shape, s.shape, v.shape]).toEqual([[m, k], [k], [n, k]]);
      expectAscending(e.toArray(s).reverse());
      expectOrthonormal(u);
      expectOrthonormal(v);
      expectClose(e.matmul(e.mul(u, s), v, { transposeB: true }), x, tolerance);
      expectClose(e.singularValues(x), s, tolerance);
    });
  });

  test(
    'qr: orthonormal times upper triangular',
    inScope(() => {
      const x = random(9, 4, 4);
      const { q, r } = e.qr(x);
      expectOrthonormal(q);
      expectClose(r, e.triu(r), 0);
      expectClose(e.matmul(q, r), x, tolerance);
    }),
  );

  test(
    'cholesky, and solving with its factor',
    inScope(() => {
      const g = positive(12);
      const l = e.cholesky(g);
      expectClose(l, e.tril(l), 0);
      expectClose(e.matmul(l, l, { transposeB: true }), g, tolerance);
      const x = random(12, 3, 6);
      const y = e.triangularSolve(l, x);
      expectClose(e.matmul(l, y), x, tolerance * 10);
      const z = e.triangularSolve(l, y, { transpose: true });
      expectClose(z, e.solve(g, x), tolerance * 100);
      expectClose(e.matmul(e.matrixInverse(g), g), e.eye(12, dtype), tolerance * 100);
    }),
  );

  test(
    'a diagonal matrix is its own decomposition',
    inScope(() => {
      const d = e.tensor([3, 1, 2], [3], dtype);
      expect(e.toArray(e.eigh(diagonal(d)).values)).toEqual([1, 2, 3]);
      expectClose(e.determinant(diagonal(d)), [6], tolerance);
    }),
  );
});

test('what has no decomposition is refused by name', () => {
  e.tidy(() => {
    expect(() => e.cholesky(e.tensor([1, 2, 2, 1], [2, 2]))).toThrow(
      expect.objectContaining({
        reason: 'NOT_POSITIVE_DEFINITE',
        message: expect.stringContaining('f32[2,2]'),
      }),
    );
    expect(() => e.svd(e.tensor([1, NaN, 2, 1], [2, 2]))).toThrow(/svd\(f32\[2,2\]\): the matrix holds/);
    expect(() => e.matrixInverse(e.ones([2, 2]))).toThrow(/not invertible/);
    expect(() => e.matmul(e.zeros([2, 2]), e.zeros([3]))).toThrow(/f32\[3\]/);
  });
});
