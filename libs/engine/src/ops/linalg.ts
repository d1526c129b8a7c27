/**
 * Decompositions and solves, in f32 and f64, of one matrix or a stack of them. TensorFlow computes them with Eigen on
 * the processor (eigenvalues by tridiagonal QR, singular values by divide and conquer).
 */
import { EmlocError } from '@emloc/errors';
import { attr } from '../binding/execute.ts';
import { toNumber } from '../create.ts';
import type { Tensor } from '../tensor.ts';
import { tidy } from '../tidy.ts';
import { op, rawOp } from './call.ts';
import { isFinite } from './math.ts';
import { all, sum } from './reduce.ts';
import { diagPart } from './shape.ts';

/** x = vectors · diag(values) · vectorsᵀ of a symmetric matrix (the lower half is read); values ascend. */
export function eigh(x: Tensor): { values: Tensor; vectors: Tensor } {
  const [values, vectors] = rawOp('SelfAdjointEigV2', [x], [attr.bool('compute_v', true)], 2);
  return { values: values!, vectors: vectors! };
}

/** Thrown where a decomposition came out as NaN, which TensorFlow does not tell for all of them. */
function checked(name: string, x: Tensor, result: Tensor, reason: string, what: string): void {
  const isWhole = tidy(() => toNumber(all(isFinite(result))) === 1);
  if (isWhole) return;
  throw new EmlocError('INVALID_ARGUMENT', reason, `${name}(${x}): ${what}`);
}

const NOT_FINITE = ['NOT_FINITE', 'the matrix holds numbers that are not finite'] as const;

/** x = u · diag(s) · vᵀ, thin: [M, K], [K], [N, K] with K = min(M, N); s falls. */
export function svd(x: Tensor): { u: Tensor; s: Tensor; v: Tensor } {
  return tidy(() => {
    const [s, u, v] = rawOp(
      'Svd',
      [x],
      [attr.bool('compute_uv', true), attr.bool('full_matrices', false)],
      3,
    );
    checked('svd', x, s!, ...NOT_FINITE);
    return { u: u!, s: s!, v: v! };
  });
}

/** The singular values alone, falling. */
export function singularValues(x: Tensor): Tensor {
  return tidy(() => {
    const [s] = rawOp('Svd', [x], [attr.bool('compute_uv', false), attr.bool('full_matrices', false)], 3);
    checked('singularValues', x, s!, ...NOT_FINITE);
    return s!;
  });
}

/** x = q · r, thin: q [M, K] with orthonormal columns, r [K, N] upper triangular. */
export function qr(x: Tensor): { q: Tensor; r: Tensor } {
  const [q, r] = rawOp('Qr', [x], [attr.bool('full_matrices', false)], 2);
  return { q: q!, r: r! };
}

/** x = l · lᵀ, l lower triangular; thrown where x is not positive definite. */
export function cholesky(x: Tensor): Tensor {
  return tidy(() => {
    const l = op('Cholesky', [x]);
    checked('cholesky', x, l, 'NOT_POSITIVE_DEFINITE', 'the matrix is not positive definite');
    return l;
  });
}

/** Solves m · y = x (or mᵀ · y = x) for triangular m. */
export const triangularSolve = (
  m: Tensor,
  x: Tensor,
  { lower = true, transpose = false }: { lower?: boolean; transpose?: boolean } = {},
): Tensor =>
  op('MatrixTriangularSolve', [m, x], [attr.bool('lower', lower), attr.bool('adjoint', transpose)]);

export const matrixInverse = (x: Tensor): Tensor => op('MatrixInverse', [x]);

/** Solves m · y = x. */
export const solve = (m: Tensor, x: Tensor): Tensor => op('MatrixSolve', [m, x]);

export const determinant = (x: Tensor): Tensor => op('MatrixDeterminant', [x]);

/** The sum of the diagonal. */
export const trace = (x: Tensor): Tensor => tidy(() => sum(diagPart(x), -1));
