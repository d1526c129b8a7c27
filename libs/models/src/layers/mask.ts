/** Additive attention masks: 0 where a query may see a key, else a number so low that the key's weight is 0. */
import {
  cast,
  expandDims,
  greater,
  lessEqual,
  logicalOr,
  mul,
  range,
  tensor,
  tidy,
  type Tensor,
} from '@emloc/engine';

/** Its softmax is exactly 0 in f32 and f64, and adding it to a score cannot overflow. */
export const HIDDEN = -1e30;

/**
 * Queries `first` to `first + count` of a causal mask over `tokens` keys: [count, tokens]. With a window a query sees
 * itself and the `window − 1` keys before it.
 */
export const causalMask = (
  tokens: number,
  dtype: 'f32' | 'f64',
  { first = 0, count = tokens, window }: { first?: number; count?: number; window?: number | undefined } = {},
): Tensor =>
  tidy(() => {
    const keys = range(0, tokens);
    const queries = expandDims(range(first, first + count), 1);
    const later = greater(keys, queries);
    const hidden =
      window === undefined
        ? later
        : logicalOr(later, lessEqual(keys, expandDims(range(first - window, first - window + count), 1)));
    return mul(cast(hidden, dtype), HIDDEN);
  });

/** Where rows stand, and which of each other they may see. */
export interface Visibility {
  /** Of the tokens' own; those of the prefix are 0, 1, 2, … */
  readonly positions: readonly number[];
  readonly visible: (query: number, key: number) => boolean;
  readonly window: number | undefined;
}

/** [tokens, prefix + tokens], by a rule of the tokens' own; all of them see the prefix, as far as the window reaches. */
export const maskOf = (
  { positions, visible, window = Infinity }: Visibility,
  dtype: 'f32' | 'f64',
  prefix = 0,
): Tensor => {
  const tokens = positions.length;
  const keys = prefix + tokens;
  const mask = new Float32Array(tokens * keys);
  positions.forEach((position, i) => {
    const oldest = position - window; // and what is older is out of sight
    for (let p = 0; p < prefix && p <= oldest; p++) mask[i * keys + p] = HIDDEN;
    for (let j = 0; j < tokens; j++)
      if (!visible(i, j) || positions[j]! <= oldest) mask[i * keys + prefix + j] = HIDDEN;
  });
  return tensor(mask, [tokens, keys], dtype);
};
