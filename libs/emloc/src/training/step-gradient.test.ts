/** How the micro-batches of a step are put together, and what is looked at of the output matrix. */
import { openModel } from '@emloc/models';
import { expect, test } from 'vitest';
import { tinyLlama } from '../testing/fixture.ts';
import { mergedTokens, mergeMicroBatches } from './step-gradient.ts';

const model = openModel(tinyLlama);
/** Its operations are long enough for streams. */
const wide = { ...model, config: { ...model.config, hiddenSize: 4096 } };
const shared = Array.from({ length: 40 }, (_, i) => 3 + i);
/** Rows of `own` tokens after what all have in common; no two go on alike. */
const row = (own: number, start: number) => ({
  inputIds: [...shared, ...Array.from({ length: own }, (_, i) => (start + 7 * i) % 250)],
});

test('what all rows begin with counts once, so that more of them go together', () => {
  const micro = Array.from({ length: 4 }, (_, i) => [row(60, 2 * i), row(75, 2 * i + 1)]);
  expect(micro.flat().reduce((sum, { inputIds }) => sum + inputIds.length, 0)).toBeGreaterThan(mergedTokens);
  const [all, ...others] = mergeMicroBatches(model, micro, 1);
  expect(others).toEqual([]);
  expect(all!.map(({ inputIds }) => inputIds.length)).toEqual([...Array(4).fill(115), ...Array(4).fill(100)]);
});

test('no more rows of activations than are meant to be, whatever they have in common', () => {
  const micro = Array.from({ length: 12 }, (_, i) => [row(60, 2 * i), row(75, 2 * i + 1)]);
  const merged = mergeMicroBatches(model, micro, 1);
  expect(merged.flat()).toHaveLength(24);
  expect(merged.length).toBeGreaterThan(2);
  for (const rows of merged)
    expect(rows.reduce((sum, { inputIds }) => sum + inputIds.length - 40, 40)).toBeLessThanOrEqual(
      mergedTokens,
    );
});

test('rows with nothing in common count whole', () => {
  const micro = Array.from({ length: 4 }, (_, i) => [{ inputIds: row(300, i).inputIds.slice(39 + i) }]);
  expect(mergeMicroBatches(model, micro, 1)).toHaveLength(2);
});

test('each stream has as many micro-batches, dealt out by length, which no row is lost of', () => {
  const micro = Array.from({ length: 4 }, (_, i) => [row(60 + 5 * i, 2 * i), row(62 + 5 * i, 2 * i + 1)]);
  const merged = mergeMicroBatches(wide, micro, 2);
  expect(merged).toHaveLength(2);
  expect(merged.map((rows) => rows.map(({ inputIds }) => inputIds.length - 40))).toEqual([
    [77, 72, 67, 62],
    [75, 70, 65, 60],
  ]);
  expect(mergeMicroBatches(wide, [...micro, ...micro, ...micro], 2)).toHaveLength(4 + 2);
});

test('few rows are not cut further than into one each', () => {
  expect(mergeMicroBatches(wide, [[row(60, 0)]], 2)).toHaveLength(1);
  expect(mergeMicroBatches(wide, [[row(900, 0), row(800, 1)]], 2).map((rows) => rows.length)).toEqual([1, 1]);
});

test('a model whose operations are done at once is not cut for streams', () => {
  const micro = [[row(60, 0), row(70, 1)]];
  expect(mergeMicroBatches(model, micro, 2)).toHaveLength(1);
  expect(mergeMicroBatches(wide, micro, 2)).toHaveLength(2);
});
