/**
 * Rotary position embedding (Su et al. 2021), in Hugging Face's layout: element i of a head is paired with i + E/2.
 *   y = x · cos + swap(x) · sin      swap exchanges the halves of each head, the first half of sin is negated
 *   dx = dy · cos − swap(dy) · sin   (the tables repeat, so swapping sin only negates it)
 * The tables are computed in double precision.
 */
import { add, mul, reshape, reverse, sub, tensor, tidy, type Tensor } from '@emloc/engine';
import type { RopeConfig, RopeTables } from '../types.ts';

/** Frequencies by pair [E/2], with Llama 3's or linear scaling. */
export const ropeFrequencies = ({ theta, scaling }: RopeConfig, headDim: number): Float64Array => {
  const frequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim));
  if (scaling === undefined) return frequencies;
  if (scaling.type === 'linear') return frequencies.map((f) => f / scaling.factor);
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original } = scaling;
  return frequencies.map((f) => {
    const turns = (original * f) / (2 * Math.PI); // over the length that the model was first trained on
    if (turns > highFreqFactor) return f;
    if (turns < lowFreqFactor) return f / factor;
    const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return (1 - smooth) * (f / factor) + smooth * f;
  });
};

/** The tables of these positions, times `scale` (which the attention scores' 1/√E is folded into). */
export const ropeTables = (
  frequencies: Float64Array,
  positions: readonly number[],
  scale: number,
  dtype: 'f32' | 'f64',
): RopeTables => {
  const half = frequencies.length;
  const width = 2 * half;
  const cos = new Float64Array(positions.length * width);
  const sin = new Float64Array(positions.length * width);
  positions.forEach((position, row) => {
    for (let i = 0; i < half; i++) {
      const angle = position * frequencies[i]!;
      const at = row * width + i;
      cos[at] = cos[at + half] = scale * Math.cos(angle);
      sin[at + half] = scale * Math.sin(angle);
      sin[at] = -sin[at + half]!;
    }
  });
  const shape = [positions.length, 1, width];
  return { cos: tensor(cos, shape, dtype), sin: tensor(sin, shape, dtype) };
};

/** x [N, heads·E] → [N, heads, E], rotated. */
export const rope = (x: Tensor, { cos, sin }: RopeTables): Tensor =>
  tidy(() => {
    const heads = byHead(x, cos);
    return add(mul(heads, cos), mul(swapHalves(heads), sin));
  });

/** dy [N, heads, E] → dx [N, heads·E]. */
export const ropeBackward = (dy: Tensor, { cos, sin }: RopeTables): Tensor =>
  tidy(() => {
    const dx = sub(mul(dy, cos), mul(swapHalves(dy), sin));
    return reshape(dx, [dy.shape[0]!, -1]);
  });

const byHead = (x: Tensor, cos: Tensor): Tensor => reshape(x, [x.shape[0]!, -1, cos.shape[2]!]);

/** [N, heads, E]: the second half of each head, then the first. (Six times as fast as slices and a concatenation.) */
const swapHalves = (x: Tensor): Tensor => {
  const [rows, heads, width] = x.shape as [number, number, number];
  return tidy(() => reshape(reverse(reshape(x, [rows, heads, 2, width / 2]), [2]), x.shape));
};
