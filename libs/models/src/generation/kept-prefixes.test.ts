import { liveTensors, startEngine } from '@emloc/engine';
import { basename } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openModel, openWeights, plainLinears } from '../index.ts';
import { goldenFixtures, tinyLlama } from '../testing/fixture.ts';
import type { WeightSource } from '../types.ts';
import type { VariantLinears } from './cached-pass.ts';
import { generate } from './generate.ts';
import { KeptPrefixes } from './kept-prefixes.ts';

beforeAll(() => startEngine());

const open = (dir: string): WeightSource =>
  openWeights(openModel(dir), { mode: 'resident', computeDtype: 'f64' });

const text = (length: number, seed = 1): number[] =>
  Array.from({ length }, (_, t) => (31 * seed + 7 * t + 3) % 120);

/** A greedy answer, with what its tokens have for log-probabilities, and how many tokens went through the first layer. */
const answer = async (source: WeightSource, ids: readonly number[], prefixes?: KeptPrefixes, owner = '') => {
  let rows = 0;
  const first = source.architecture.linears(source.config, 0)[0]!.name;
  const counting: VariantLinears = () => ({
    linearsFor: (layer, weights) => {
      const plain = plainLinears(weights);
      return {
        ...plain,
        forward: (name, x) => {
          if (layer === 0 && name === first) rows += x.shape[0]!;
          return plain.forward(name, x);
        },
      };
    },
    dispose: () => {},
  });
  const logProbabilities: number[] = [];
  const [made] = await generate(source, counting, [{ ids }], {
    maxNewTokens: 6,
    eosTokenIds: [],
    logProbabilities: true,
    ...(prefixes && { kept: { prefixes, owner } }),
    onToken: (token) => void logProbabilities.push(token.logProbability!),
  });
  return { ids: made!.ids, logProbabilities, rows };
};

describe.each(goldenFixtures.map((dir) => [basename(dir), dir] as const))('%s', (_, dir) => {
  test('a conversation that goes on, and one whose end is changed, are as without what is kept', async () => {
    const source = open(dir);
    const before = liveTensors().count;
    const prefixes = new KeptPrefixes();
    const opening = text(20);
    const { ids: said } = await answer(source, opening, prefixes);
    const turns = [
      [...opening, ...said, ...text(5, 2)],
      [...opening, ...said, ...text(3, 3)], // the latest question asked otherwise
    ];
    for (const turn of turns) {
      const [plain, kept] = [await answer(source, turn), await answer(source, turn, prefixes)];
      expect(kept.ids).toEqual(plain.ids);
      kept.logProbabilities.forEach((p, t) => expect(p).toBeCloseTo(plain.logProbabilities[t]!, 6));
    }
    prefixes.clear();
    source.close();
    expect(liveTensors().count).toBeLessThanOrEqual(before);
  });
});

test('of a turn only what is new is computed', async () => {
  const source = open(tinyLlama);
  const prefixes = new KeptPrefixes();
  const { ids: said, rows } = await answer(source, text(20), prefixes);
  expect(rows).toBe(20 + 5);
  const next = [...text(20), ...said, ...text(4, 2)];
  // The last token of the answer was never computed.
  expect((await answer(source, next, prefixes)).rows).toBe(1 + 4 + 5);
  expect((await answer(source, next, prefixes)).rows).toBe(1 + 5);
  prefixes.clear();
  source.close();
});

test('what one adapter has made is nothing to another, nor what begins otherwise', async () => {
  const source = open(tinyLlama);
  const prefixes = new KeptPrefixes();
  await answer(source, text(20), prefixes, 'one');
  expect((await answer(source, [...text(20), 5], prefixes, 'other')).rows).toBe(21 + 5);
  expect((await answer(source, text(20, 9), prefixes, 'one')).rows).toBe(20 + 5);
  expect((await answer(source, [...text(20), 5], prefixes, 'one')).rows).toBe(1 + 5);
  prefixes.clear();
  source.close();
});

test('a long rest goes through in parts, and sees all that was before it', async () => {
  const source = open(tinyLlama);
  const prefixes = new KeptPrefixes();
  await answer(source, text(12), prefixes);
  const long = [...text(12), ...text(Math.min(source.config.maxPositionEmbeddings - 20, 700), 4)];
  const [plain, kept] = [await answer(source, long), await answer(source, long, prefixes)];
  expect(kept.ids).toEqual(plain.ids);
  expect(kept.rows).toBe(plain.rows - 12);
  prefixes.clear();
  source.close();
});

test('the oldest is let go of where they come to more than their bound', async () => {
  const source = open(tinyLlama);
  const probe = new KeptPrefixes();
  await answer(source, text(20), probe);
  const one = probe.bytes;
  probe.clear();
  const before = liveTensors().count;
  const prefixes = new KeptPrefixes(2 * one);
  for (const seed of [1, 2, 3]) await answer(source, text(20, seed), prefixes);
  expect(prefixes.bytes).toBe(2 * one);
  expect((await answer(source, [...text(20, 1), 5], prefixes)).rows).toBe(21 + 5);
  expect((await answer(source, [...text(20, 3), 5], prefixes)).rows).toBe(1 + 5);
  prefixes.clear();
  const none = new KeptPrefixes(1);
  await answer(source, text(20), none);
  expect(none.bytes).toBe(0);
  expect(liveTensors().count).toBe(before);
  source.close();
});
