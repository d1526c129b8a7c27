/** Additive attention masks: 0 where a query may see a key, else a number so low that the key's weight is 0. */
import { cast, expandDims, greater, mul, range, tensor, tidy, type Tensor } from '@emloc/engine';

/** Its softmax is exactly 0 in f32 and f64, and adding it to a score cannot overflow. */
const HIDDEN = -1e30;

/** Queries `first` to `first + count` of a causal mask over `tokens` keys: [count, tokens]. */
export const causalMask = (tokens: number, dtype: 'f32' | 'f64', first = 0, count = tokens): Tensor =>
  tidy(() => {
    const keys = range(0, tokens);
    const queries = expandDims(range(first, first + count), 1);
    return mul(cast(greater(keys, queries), dtype), HIDDEN);
  });

/** [tokens, prefix + tokens], by a rule of the tokens' own; all of them see the prefix. */
export const maskOf = (
  tokens: number,
  visible: (query: number, key: number) => boolean,
  dtype: 'f32' | 'f64',
  prefix = 0,
): Tensor => {
  const keys = prefix + tokens;
  const mask = new Float32Array(tokens * keys);
  for (let i = 0; i < tokens; i++)
    for (let j = 0; j < tokens; j++) if (!visible(i, j)) mask[i * keys + prefix + j] = HIDDEN;
  return tensor(mask, [tokens, keys], dtype);
};
