import { liveTensors, startEngine, tensor, tidy, toFloat64Array, type Tensor } from '@emloc/engine';
import { beforeAll, expect, test } from 'vitest';
import { maxRelative, randomNumbers } from '../testing/fixture.ts';
import { BLOCK, KeyValueCache, settledColumns } from './key-value-cache.ts';

beforeAll(() => startEngine());

const [H, K, E] = [4, 2, 3];
const windows = [undefined, 7, 40];

/** Keys and values of a token of a sequence in a layer, and its query: [heads][E]. */
const numbers = (heads: number, ...place: number[]): Float64Array =>
  randomNumbers(
    heads * E,
    place.reduce((seed, x) => 131 * seed + x, 7),
  );
const query = (layer: number, name: number, t: number) => numbers(H, 1, layer, name, t);
const key = (layer: number, name: number, t: number) => numbers(K, 2, layer, name, t);
const value = (layer: number, name: number, t: number) => numbers(K, 3, layer, name, t);

/** Softmax attention of token t over those it sees, written out. */
const attended = (layer: number, name: number, t: number): number[] => {
  const window = windows[layer] ?? Infinity;
  const seen = Array.from({ length: t + 1 }, (_, u) => u).filter((u) => t - u < window);
  return Array.from({ length: H }, (_, head) => {
    const own = Math.floor((head * K) / H);
    const dot = (u: number): number =>
      Array.from(
        { length: E },
        (_, e) => query(layer, name, t)[head * E + e]! * key(layer, name, u)[own * E + e]!,
      ).reduce((a, b) => a + b, 0);
    const weights = seen.map((u) => Math.exp(dot(u)));
    const total = weights.reduce((a, b) => a + b, 0);
    return Array.from(
      { length: E },
      (_, e) =>
        seen.reduce((sum, u, i) => sum + weights[i]! * value(layer, name, u)[own * E + e]!, 0) / total,
    );
  }).flat();
};

const rowsOf = (parts: readonly Float64Array[], heads: number): Tensor =>
  tensor(
    parts.flatMap((part) => [...part]),
    [parts.length, heads, E],
    'f64',
  );

/** A cache filled with the first tokens of sequences, known by their names. */
const filled = (names: readonly number[], lengths: readonly number[]): KeyValueCache => {
  const cache = new KeyValueCache(windows, lengths, 'f64');
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
  windows.forEach((_, layer) =>
    tidy(() => {
      const tokens = names.flatMap((name, i) => Array.from({ length: lengths[i]! }, (_, t) => [name, t]));
      const heads = {
        q: rowsOf([], H),
        k: rowsOf(tokens.map(([name, t]) => key(layer, name!, t!)), K), // prettier-ignore
        v: rowsOf(tokens.map(([name, t]) => value(layer, name!, t!)), K), // prettier-ignore
      };
      const found = cache.filling(layer, (sequence, token) => starts[sequence]! + token).attend(heads);
      expect(found).toBeUndefined();
    }),
  );
  return cache;
};

/** One token more of each; the largest error of what the layers attend to. */
const step = (cache: KeyValueCache, names: readonly number[]): number => {
  const at = cache.lengths;
  const errors = windows.map((_, layer) =>
    tidy(() => {
      const of = (what: typeof query, heads: number): Tensor =>
        rowsOf(names.map((name, i) => what(layer, name, at[i]!)), heads); // prettier-ignore
      const output = cache.stepping(layer).attend({ q: of(query, H), k: of(key, K), v: of(value, K) });
      const expected = names.flatMap((name, i) => attended(layer, name, at[i]!));
      return maxRelative(toFloat64Array(output!), expected);
    }),
  );
  cache.advance();
  return Math.max(...errors);
};

const steps = (cache: KeyValueCache, names: readonly number[], count: number): number =>
  Math.max(...Array.from({ length: count }, () => step(cache, names)));

test('steps see what attention over all tokens sees, windows and different lengths included', () => {
  const before = liveTensors();
  const cache = filled([1, 2, 3], [5, 40, 1]);
  expect(steps(cache, [1, 2, 3], 2 * BLOCK + 6)).toBeLessThan(1e-12);
  expect(cache.lengths).toEqual([75, 110, 71]);
  cache.dispose();
  expect(liveTensors()).toEqual(before);
});

test.each([1, 20, 32, 33])('sequences end and others join, %i steps after the beginning', (count) => {
  const before = liveTensors();
  let cache = filled([1, 2, 3], [5, 70, 33]);
  steps(cache, [1, 2, 3], count);
  cache.select([2, 0]);
  expect(cache.lengths).toEqual([33 + count, 5 + count]);
  expect(steps(cache, [3, 1], 3)).toBeLessThan(1e-12);
  cache = KeyValueCache.join([cache, filled([4], [90]), filled([5, 6], [2, 3])]);
  expect(steps(cache, [3, 1, 4, 5, 6], BLOCK + 1)).toBeLessThan(1e-12);
  cache.select([3]);
  expect(steps(cache, [5], BLOCK + 1)).toBeLessThan(1e-12);
  cache.dispose();
  expect(liveTensors()).toEqual(before);
});

test('columns are whole blocks, no more than a window sees', () => {
  expect([1, 32, 33].map((tokens) => settledColumns(tokens))).toEqual([32, 32, 64]);
  expect([1, 32, 33, 1000].map((tokens) => settledColumns(tokens, 34))).toEqual([32, 32, 64, 64]);
  expect(settledColumns(1000, 33)).toBe(32);
  expect(settledColumns(1000, 1)).toBe(32);
});
