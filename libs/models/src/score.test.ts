import { liveTensors, startEngine } from '@emloc/engine';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { greedyContinue, openModel, openWeights, plainLinears, scoreContinuations } from './index.ts';
import { forwardPass } from './model-pass.ts';
import { lossPass } from './loss-pass.ts';
import { prepareBatch } from './batch.ts';
import { tokenTree } from './score.ts';
import { tinyLlama } from './testing/fixture.ts';
import type { LinearsFor, WeightSource } from './types.ts';

beforeAll(() => startEngine());

const plain: LinearsFor = (_, w) => plainLinears(w);

/** The same by a pass of its own for every continuation. */
const separately = async (
  source: WeightSource,
  promptIds: readonly number[],
  continuation: readonly number[],
) => {
  const inputIds = [...promptIds, ...continuation];
  const labels = inputIds.map((id, t) => (t < promptIds.length ? -100 : id));
  const batch = prepareBatch(source, [{ inputIds, labels }], 'f64');
  const forward = await forwardPass(source, [batch], plain);
  const { lossSum } = lossPass(source, [batch], forward.hidden);
  forward.dispose();
  batch.dispose();
  return -lossSum;
};

const rows = [
  { promptIds: [1, 7, 9, 30, 41], continuations: [[5], [5, 6], [5, 6, 2], [8, 6, 2], [8, 9]] },
  {
    promptIds: [1, 200],
    continuations: [
      [3, 4, 2],
      [3, 2],
    ],
  },
];

test('all continuations in one pass score as passes of their own do', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'resident', computeDtype: 'f64' });
  const before = liveTensors().count;
  const scores = await scoreContinuations(source, plain, rows);
  expect(liveTensors().count).toBeLessThanOrEqual(before + 40); // the source's own mapped tensors
  for (const [i, { promptIds, continuations }] of rows.entries())
    for (const [k, continuation] of continuations.entries())
      expect(scores[i]![k]).toBeCloseTo(await separately(source, promptIds, continuation), 12);
  source.close();
});

test('a tree of more tokens than the model has positions scores, where each continuation fits', async () => {
  const source = openWeights(openModel(join(dirname(tinyLlama), 'tiny-gpt2')), {
    mode: 'resident',
    computeDtype: 'f64',
  });
  const promptIds = Array.from({ length: 61 }, (_, i) => 3 + i);
  const continuations = [5, 6, 7, 8, 9].map((id) => [id, id + 1, id + 2]);
  const [scores] = await scoreContinuations(source, plain, [{ promptIds, continuations }]);
  for (const [k, continuation] of continuations.entries())
    expect(scores![k]).toBeCloseTo(await separately(source, promptIds, continuation), 12);
  source.close();
});

test('prompts that begin alike but are turned otherwise, being longer, score as alone', async () => {
  const source = openWeights(openModel(join(dirname(tinyLlama), 'tiny-phi3')), {
    mode: 'resident',
    computeDtype: 'f64',
  });
  const tokens = Array.from({ length: 70 }, (_, i) => 3 + ((7 * i) % 90));
  // Its longrope has other factors for more than 64 tokens.
  const some = [30, 62, 64, 70].map((length) => ({
    promptIds: tokens.slice(0, length),
    continuations: [
      [5, 6],
      [8, 9],
    ],
  }));
  const scores = await scoreContinuations(source, plain, some);
  for (const [i, { promptIds, continuations }] of some.entries())
    for (const [k, continuation] of continuations.entries())
      expect(scores[i]![k]).toBeCloseTo(await separately(source, promptIds, continuation), 12);
  source.close();
});

test('prompts that begin alike, in more than one micro-batch, score as alone', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'streamed', computeDtype: 'f64' });
  const beginning = Array.from({ length: 20 }, (_, i) => 3 + ((7 * i) % 90));
  const many = Array.from({ length: 24 }, (_, i) => ({
    promptIds: [...beginning, ...Array.from({ length: 1 + (i % 9) }, (_unused, k) => 5 + ((i * k) % 200))],
    continuations: [[5, 6, 2], [5, 9], [100 + i]],
  }));
  expect(many.reduce((sum, row) => sum + row.promptIds.length, 0)).toBeGreaterThan(512);
  const scores = await scoreContinuations(source, plain, many);
  for (const [i, { promptIds, continuations }] of many.entries())
    for (const [k, continuation] of continuations.entries())
      expect(scores[i]![k]).toBeCloseTo(await separately(source, promptIds, continuation), 11);
  source.close();
});

test('no rows score as nothing', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'streamed' });
  expect(await scoreContinuations(source, plain, [])).toEqual([]);
  source.close();
});

test('continuations share the rows of common beginnings, and last tokens need none', () => {
  const { ids, layout } = tokenTree(rows[0]!, 0);
  expect(ids).toEqual([1, 7, 9, 30, 41, 5, 6, 8, 6]);
  expect(layout.positions).toEqual([0, 1, 2, 3, 4, 5, 6, 5, 6]);
  expect(layout.visible!(8, 7)).toBe(true);
  expect(layout.visible!(8, 6)).toBe(false);
  expect(layout.visible!(4, 5)).toBe(false);
});

test('choices beyond the vocabulary, empty ones and prompts that are too long are refused', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'resident' });
  const score = (promptIds: number[], continuations: number[][]): Promise<unknown> =>
    scoreContinuations(source, plain, [{ promptIds, continuations }]);
  await expect(score([1], [[256]])).rejects.toThrow('token id 256 is not in the model’s'.replace('’', "'"));
  await expect(score([1], [[]])).rejects.toThrow('a continuation has no tokens');
  await expect(score([], [[1]])).rejects.toThrow('the prompt has no tokens');
  await expect(score(Array(256).fill(3), [[4, 5]])).rejects.toThrow('257 tokens are more than');
  source.close();
});

test('a greedy continuation is what scoring likes best, and ends with the end token', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'resident', computeDtype: 'f64' });
  const all = Array.from({ length: 256 }, (_, id) => [id]);
  const [made] = await greedyContinue(source, plain, [rows[0]!.promptIds], {
    maxNewTokens: 3,
    eosTokenIds: [],
  });
  const scores = await scoreContinuations(source, plain, [
    { promptIds: [...rows[0]!.promptIds, ...made!.slice(0, 2)], continuations: all },
  ]);
  expect(made).toHaveLength(3);
  expect(scores[0]!.indexOf(Math.max(...scores[0]!))).toBe(made![2]);
  const ended = await greedyContinue(source, plain, [rows[0]!.promptIds, [1, 2]], {
    maxNewTokens: 3,
    eosTokenIds: [made![1]!],
  });
  expect(ended[0]).toEqual(made!.slice(0, made![0] === made![1] ? 1 : 2));
  expect(ended[1]).toHaveLength(3);
  source.close();
});
