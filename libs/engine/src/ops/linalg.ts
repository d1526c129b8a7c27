/**
 * Decompositions and solves, in f32 and f64, of one matrix or a stack of them. TensorFlow computes them with Eigen on
 * the processor (eigenvalues by tridiagonal QR, singular values by divide and conquer).
 */
import { attr } from '../binding/execute.ts';
import type { Tensor } from '../tensor.ts';
import { op, rawOp } from './call.ts';

/** x = vectors · diag(values) · vectorsᵀ of a symmetric matrix (the lower half is read); values ascend. */
export function eigh(x: Tensor): { values: Tensor; vectors: Tensor } {
  const [values, vectors] = rawOp('SelfAdjointEigV2', [x], [attr.bool('compute_v', true)], 2);
  return { values: values!, vectors: vectors! };
}

/** x = u · diag(s) · vᵀ, thin: [M, K], [K], [N, K] with K = min(M, N); s falls. */
export function svd(x: Tensor): { u: Tensor; s: Tensor; v: Tensor } {
  const [s, u, v] = rawOp('Svd', [x], [attr.bool('compute_uv', true), attr.bool('full_matrices', false)], 3);
  return { u: u!, s: s!, v: v! };
}

/** The singular values alone, falling. */
export function singularValues(x: Tensor): Tensor {
  const [s, u, v] = rawOp('Svd', [x], [attr.bool('compute_uv', false), attr.bool('full_matrices', false)], 3);
  u!.dispose();
  v!.dispose();
  return s!;
}

/** x = q · r, thin: q [M, K] with orthonormal columns, r [K, N] upper triangular. */
export function qr(x: Tensor): { q: Tensor; r: Tensor } {
  const [q, r] = rawOp('Qr', [x], [attr.bool('full_matrices', false)], 2);
  return { q: q!, r: r! };
}

/** x = l · lᵀ, l lower triangular; fails where x is not positive definite. */
export const cholesky = (x: Tensor): Tensor => op('Cholesky', [x]);

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
