/**
 * LoRA correction (paper, section 3.4): an adapter trained on the emulator is changed so that, on the span of A, the
 * original with the corrected adapter does what the emulator did with the trained one. In float64 throughout,
 * because the limit depends on the basis. Shapes: A [R, in], B [out, R], W [out, in], W' = u v.
 */
import {
  abs,
  cast,
  div,
  matmul,
  mean,
  mul,
  sub,
  svd,
  tensor,
  tidy,
  toFloat64Array,
  transpose,
  expandDims,
  keep,
  type Tensor,
} from '@emloc/engine';
import type { LoraFactors } from '../lora/lora-adapter.ts';

/** What the linear is replaced by in the emulator: a whole weight, its factors, or itself (left full). */
export type EmulatedWeight =
  { readonly weight: Tensor } | { readonly u: Tensor; readonly v: Tensor } | 'full';

/** A correction before its limit is chosen. Owns its tensors (f64). */
export interface CorrectionParts extends Disposable {
  /** A'ᵀ: an orthonormal basis of A's rows, [R, in]. */
  readonly basis: Tensor;
  /** B' with A' B' = s Aᵀ Bᵀ, [R, out]. */
  readonly rotated: Tensor;
  /** C = A'ᵀ (W − W')ᵀ: what original and emulator make of each basis vector, [R, out]. */
  readonly change: Tensor;
  /** mean|C_i| / mean|B'_i| of each row; NaN or infinity where B'_i = 0. */
  readonly ratios: Float64Array;
  readonly scale: number;
}

export function correctionParts(
  factors: LoraFactors,
  weight: Tensor,
  emulated: EmulatedWeight,
  scale: number,
): CorrectionParts {
  const made = tidy(() => {
    const wide = (t: Tensor) => cast(t, 'f64');
    const { u, s, v } = svd(transpose(wide(factors.a))); // Aᵀ = A' diag(s) Vᵀ
    const basis = transpose(u);
    const rotated = mul(
      mul(matmul(v, wide(factors.b), { transposeA: true, transposeB: true }), expandDims(s, 1)),
      scale,
    );
    const through = (w: Tensor, x: Tensor) => matmul(x, wide(w), { transposeB: true });
    const full = through(weight, basis);
    const change =
      emulated === 'full'
        ? mul(full, 0)
        : 'weight' in emulated
          ? sub(full, through(emulated.weight, basis))
          : sub(full, through(emulated.u, through(emulated.v, basis)));
    const ratios = div(mean(abs(change), 1), mean(abs(rotated), 1));
    return { basis, rotated, change, ratios };
  });
  const ratios = toFloat64Array(made.ratios);
  made.ratios.dispose();
  const tensors = [keep(made.basis), keep(made.rotated), keep(made.change)];
  return {
    basis: made.basis,
    rotated: made.rotated,
    change: made.change,
    ratios,
    scale,
    [Symbol.dispose]: () => tensors.forEach((t) => t.dispose()),
  };
}

/** k_i = min(1, limit / ratio_i); 0 for a row with B'_i = 0. */
export function correctionStrengths(ratios: Float64Array, limit: number): Float64Array {
  return ratios.map((ratio) => {
    if (!Number.isFinite(ratio)) return 0;
    return ratio > limit ? limit / ratio : 1;
  });
}

export interface CorrectedFactors extends LoraFactors {
  readonly ratios: Float64Array;
  /** Rows whose correction was limited or left out. */
  readonly clamped: number;
}

/** A ← A'ᵀ, B ← (B' − diag(k) C)ᵀ / s, in f64; the caller's. */
export function applyCorrection(parts: CorrectionParts, limit: number): CorrectedFactors {
  const strengths = correctionStrengths(parts.ratios, limit);
  const factors = tidy(() => {
    const k = tensor(strengths, [strengths.length, 1], 'f64');
    const b = transpose(sub(parts.rotated, mul(parts.change, k)));
    return { a: mul(parts.basis, 1), b: div(b, parts.scale) };
  });
  return { ...factors, ratios: parts.ratios, clamped: strengths.filter((k) => k < 1).length };
}

/** Paper's limit λ on the correction relative to the adapter. */
export const defaultCorrectionLimit = 3;

/** One linear, corrected as published. */
export function correctLora(
  a: Tensor,
  b: Tensor,
  weight: Tensor,
  emulated: EmulatedWeight,
  scale: number,
  limit = defaultCorrectionLimit,
): CorrectedFactors {
  using parts = correctionParts({ a, b }, weight, emulated, scale);
  return applyCorrection(parts, limit);
}
