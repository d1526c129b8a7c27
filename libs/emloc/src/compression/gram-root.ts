/**
 * A Gram matrix made ready for compression, in float64: its eigenvalues clamped from below at 1e-7 of their mean (paper's
 * code), and on demand a root S with S Sᵀ = G. Clamping needs the eigenvectors; whether anything has to be clamped,
 * one Cholesky factorisation tells at a fraction of the price, and then it is the root as well.
 */
import {
  cast,
  cholesky,
  diag,
  eigh,
  fill,
  keep,
  matmul,
  maximum,
  mul,
  sqrt,
  sub,
  tidy,
  type Tensor,
} from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { isFiniteThroughout, traceOf } from '../matrix.ts';

/** Of trace(G) / d_in, the mean eigenvalue. */
export const eigenvalueClamp = 1e-7;

/** Owns its tensors. One serves all linears that share the Gram. */
export class GramRoot implements Disposable {
  /** G with its eigenvalues clamped, [d_in, d_in], f64. */
  readonly gram: Tensor;
  readonly clamped: boolean;
  #root: Tensor | undefined;

  constructor(gram: Tensor) {
    const mean = traceOf(gram) / (gram.shape[0] ?? 1);
    if (!(mean > 0) || !Number.isFinite(mean)) {
      throw new EmlocError('FAILED_PRECONDITION', 'BAD_GRAM', `a Gram matrix has the trace ${mean}`, {
        field: 'statistics',
        mend: 'calibrate on samples whose activations are finite and not all zero',
      });
    }
    const floor = eigenvalueClamp * mean;
    const made = tidy(() => {
      const wide = cast(gram, 'f64');
      if (isAbove(wide, floor)) return { gram: wide, root: undefined };
      const { values, vectors } = eigh(wide);
      const root = mul(vectors, sqrt(maximum(values, floor)));
      return { gram: matmul(root, root, { transposeB: true }), root };
    });
    this.gram = keep(made.gram);
    this.#root = made.root === undefined ? undefined : keep(made.root);
    this.clamped = made.root !== undefined;
  }

  /** S, [d_in, d_in], f64: any root serves, for the singular values and left vectors of W S do not depend on which. */
  root(): Tensor {
    this.#root ??= keep(tidy(() => cholesky(this.gram)));
    return this.#root;
  }

  [Symbol.dispose](): void {
    this.gram.dispose();
    this.#root?.dispose();
  }
}

/** Do all eigenvalues of a symmetric matrix lie above `floor`? */
function isAbove(matrix: Tensor, floor: number): boolean {
  return tidy(() => {
    const shifted = tidy(() => sub(matrix, diag(fill([matrix.shape[0] ?? 0], floor, 'f64'))));
    try {
      return isFiniteThroughout(cholesky(shifted));
    } catch (error) {
      // TensorFlow's word for: not positive definite.
      if (error instanceof EmlocError && /Cholesky/i.test(error.message)) return false;
      throw error;
    }
  });
}
