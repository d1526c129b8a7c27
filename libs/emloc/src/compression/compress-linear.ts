/**
 * Activation-aware SVD (paper, section 3.2), without an inverse: with W S = U Σ Vᵀ and S Sᵀ = G, the best W' of rank
 * r in ‖(W − W') G^½‖ is U_r U_rᵀ W. U comes from the symmetric eigenproblem of the smaller side, W G Wᵀ or
 * Sᵀ Wᵀ W S, in float64, because that problem sees the square of the condition number.
 */
import {
  cast,
  eigh,
  matmul,
  mul,
  reverse,
  slice,
  sqrt,
  maximum,
  tensor,
  tidy,
  toFloat64Array,
  type Tensor,
} from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { DType } from '@emloc/tensor-stream';
import { GramRoot } from './gram-root.ts';

export interface CompressedWeights {
  /** U_r √Σ_r, [d_out, r]. */
  readonly u: Tensor;
  /** √Σ_r⁻¹ U_rᵀ W, [r, d_in]; the same as √Σ_r V_rᵀ S⁻¹. */
  readonly v: Tensor;
  /** All singular values of W S, falling. */
  readonly sigma: Float64Array;
  /** √(Σ_{i>r} σ_i²): what the truncation costs on the calibration inputs. */
  readonly truncationLoss: number;
  /** The same beside √(Σ σ_i²). */
  readonly relativeTruncationLoss: number;
}

/** Singular values below this share of the largest count as zero: what float64 leaves of a rank-deficient weight. */
const zeroShare = 1e-12;

/**
 * @param weight W, [d_out, d_in], any float type.
 * @param gram G as a tensor or made ready; `undefined` is plain SVD (G = I).
 * @param dtype Of u and v (f32). They become the caller's.
 */
export function compressLinear(
  weight: Tensor,
  gram: Tensor | GramRoot | undefined,
  rank: number,
  dtype: DType = 'f32',
): CompressedWeights {
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  if (!Number.isInteger(rank) || rank < 1 || rank > Math.min(outFeatures, inFeatures)) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'BAD_RANK',
      `rank ${rank} for a ${outFeatures} × ${inFeatures} weight`,
      {
        field: 'rank',
        value: String(rank),
        mend: `choose a rank from 1 to ${Math.min(outFeatures, inFeatures)}`,
      },
    );
  }
  const side = gram instanceof GramRoot ? gram.gram.shape[0] : gram?.shape[0];
  if (side !== undefined && side !== inFeatures) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'SHAPE_MISMATCH',
      `a Gram of side ${side} for ${inFeatures} inputs`,
      {
        field: 'gram',
        value: String(side),
        mend: 'pass the Gram matrix of this linear',
      },
    );
  }
  const own = gram === undefined || gram instanceof GramRoot ? undefined : new GramRoot(gram);
  try {
    return decompose(weight, own ?? (gram as GramRoot | undefined), rank, dtype);
  } finally {
    own?.[Symbol.dispose]();
  }
}

function decompose(
  weight: Tensor,
  gram: GramRoot | undefined,
  rank: number,
  dtype: DType,
): CompressedWeights {
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  let sigma = new Float64Array();
  const factors = tidy(() => {
    const w = cast(weight, 'f64');
    const wide = outFeatures <= inFeatures;
    const image = wide || gram === undefined ? undefined : matmul(w, gram.root()); // W S
    const problem = wide
      ? matmul(gram === undefined ? w : matmul(w, gram.gram), w, { transposeB: true }) // W G Wᵀ
      : matmul(image ?? w, image ?? w, { transposeA: true }); // Sᵀ Wᵀ W S
    const { values, vectors } = eigh(problem);
    sigma = toFloat64Array(sqrt(maximum(reverse(values, [0]), 0)));
    const kept = slice(reverse(vectors, [1]), [0, 0], [vectors.shape[0] ?? 0, rank]);
    const inverse = inverses(sigma.subarray(0, rank));
    // Left singular vectors: the eigenvectors themselves, or W S V Σ⁻¹.
    const left = wide ? kept : mul(matmul(image ?? w, kept), tensor(inverse, [1, rank], 'f64'));
    const root = tensor(sigma.subarray(0, rank).map(Math.sqrt), [1, rank], 'f64');
    const inverseRoot = tensor(inverse.map(Math.sqrt), [rank, 1], 'f64');
    const v = mul(matmul(left, w, { transposeA: true }), inverseRoot);
    return { u: cast(mul(left, root), dtype), v: cast(v, dtype) };
  });
  const energy = (values: Float64Array): number => Math.sqrt(values.reduce((sum, s) => sum + s * s, 0));
  const truncationLoss = energy(sigma.subarray(rank));
  const all = energy(sigma);
  return { ...factors, sigma, truncationLoss, relativeTruncationLoss: all === 0 ? 0 : truncationLoss / all };
}

/** 1/σ, and 0 where σ is nothing but rounding. */
function inverses(sigma: Float64Array): Float64Array {
  const floor = (sigma[0] ?? 0) * zeroShare;
  return sigma.map((s) => (s > floor ? 1 / s : 0));
}
