/**
 * Rank and ratio. Two factors of rank r hold r·(d_in + d_out) numbers where the full linear holds d_in·d_out;
 * the ratio is the share of the linear's parameters that the factors may have (paper, section 3.2).
 */

/** ⌊d_in·d_out·ratio / (d_in + d_out)⌋. */
export function rankOf(outFeatures: number, inFeatures: number, ratio: number): number {
  return Math.floor((inFeatures * outFeatures * ratio) / (inFeatures + outFeatures));
}

/** The smallest ratio of four digits that gives rank 1. */
export function smallestRatio(outFeatures: number, inFeatures: number): number {
  const exact = (inFeatures + outFeatures) / (inFeatures * outFeatures);
  const unit = 10 ** (Math.floor(Math.log10(exact)) - 3);
  for (let units = Math.floor(exact / unit); ; units += 1) {
    const ratio = Number((units * unit).toPrecision(4));
    if (rankOf(outFeatures, inFeatures, ratio) >= 1) return ratio;
  }
}
