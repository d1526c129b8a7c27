/**
 * Frequencies of rotary embeddings, plain and stretched for longer texts, as transformers' modeling_rope_utils.py has
 * them; R numbers of a head are rotated, pair i of R/2 turns by f_i = θ^(−2i/R) a position:
 *   linear    f / factor
 *   dynamic   θ grows with the sequence once it is longer than the model was trained on (NTK)
 *   llama3    high frequencies stay, low ones are divided, a smooth way between
 *   yarn      the same by pairs: those that turn often stay, those that hardly turn are divided, a ramp between
 *   longrope  a factor for every pair, of two sets by the sequence's length
 * `dynamic` and `longrope` look at the length of a sequence. Here each sequence goes by its own, as if it were alone in
 * its batch (transformers takes the longest of a batch, so there a row's numbers depend on its neighbours).
 */
import type { RopeConfig, RopeScaling } from '../types.ts';

/** What the frequencies depend on besides the configuration: sequences of one regime share them. */
export const ropeRegime = ({ scaling }: Pick<RopeConfig, 'scaling'>, tokens: number): number => {
  if (scaling?.type === 'dynamic') return Math.max(tokens, scaling.maxPositionEmbeddings);
  if (scaling?.type === 'longrope') return +(tokens > scaling.originalMaxPositionEmbeddings);
  return 0;
};

/** Frequencies by pair [R/2] of a sequence of so many tokens. */
export const ropeFrequencies = ({ theta, dims, scaling }: RopeConfig, tokens = 0): Float64Array => {
  const plain = (base = theta): Float64Array =>
    Float64Array.from({ length: dims / 2 }, (_, i) => base ** ((-2 * i) / dims));
  switch (scaling?.type) {
    case undefined:
      return plain();
    case 'linear':
      return plain().map((f) => f / scaling.factor);
    case 'dynamic': {
      const { factor, maxPositionEmbeddings: most } = scaling;
      const stretch = (factor * Math.max(tokens, most)) / most - (factor - 1);
      return plain(theta * stretch ** (dims / (dims - 2)));
    }
    case 'llama3':
      return llama3(plain(), scaling);
    case 'yarn':
      return yarn(plain(), theta, scaling);
    case 'longrope': {
      const isLong = tokens > scaling.originalMaxPositionEmbeddings;
      const factors = isLong ? scaling.longFactor : scaling.shortFactor;
      return plain().map((f, i) => f / factors[i]!);
    }
  }
};

type Scaling<T extends RopeScaling['type']> = Extract<RopeScaling, { type: T }>;

const llama3 = (
  frequencies: Float64Array,
  { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original }: Scaling<'llama3'>,
): Float64Array =>
  frequencies.map((f) => {
    const turns = (original * f) / (2 * Math.PI); // over the length that the model was first trained on
    if (turns > highFreqFactor) return f;
    if (turns < lowFreqFactor) return f / factor;
    const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return (1 - smooth) * (f / factor) + smooth * f;
  });

const yarn = (
  frequencies: Float64Array,
  theta: number,
  { factor, betaFast, betaSlow, truncate, originalMaxPositionEmbeddings: original }: Scaling<'yarn'>,
): Float64Array => {
  const dims = 2 * frequencies.length;
  /** The pair (not whole) that turns so many times over the original length. */
  const pairThatTurns = (turns: number): number =>
    (dims * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [low, high] = [pairThatTurns(betaFast), pairThatTurns(betaSlow)];
  const first = Math.max(truncate ? Math.floor(low) : low, 0);
  const last = Math.min(truncate ? Math.ceil(high) : high, dims - 1);
  const width = first === last ? 0.001 : last - first;
  return frequencies.map((f, i) => {
    const divided = Math.min(1, Math.max(0, (i - first) / width));
    return (f / factor) * divided + f * (1 - divided);
  });
};
