/** The norm of the whole gradient, and clipping by it with PyTorch's factor min(1, max / (norm + 1e-6)). */
import { mul, sqrt, square, sum, tidy, toNumber, type Tensor } from '@emloc/engine';

export function gradientNorm(gradient: Tensor): number {
  const norm = tidy(() => sqrt(sum(square(gradient))));
  try {
    return toNumber(norm);
  } finally {
    norm.dispose();
  }
}

/** 1 where nothing is clipped; `maxGradNorm` 0 means no clipping. */
export function clipFactor(norm: number, maxGradNorm: number): number {
  return maxGradNorm === 0 ? 1 : Math.min(1, maxGradNorm / (norm + 1e-6));
}

/** `gradient` itself where nothing is clipped, else a new tensor. */
export function clipped(gradient: Tensor, norm: number, maxGradNorm: number): Tensor {
  const factor = clipFactor(norm, maxGradNorm);
  if (factor === 1) return gradient;
  return tidy(() => mul(gradient, factor));
}
