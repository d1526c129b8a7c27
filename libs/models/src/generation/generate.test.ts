import { liveTensors, startEngine, tidy, toFloat32Array } from '@emloc/engine';
import { basename } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { forwardPass, logitsOf, openModel, openWeights, plainLinears, prepareBatch } from '../index.ts';
import { goldenFixtures, tinyLlama } from '../testing/fixture.ts';
import type { WeightSource } from '../types.ts';
import { cacheBytesOf } from './cache-size.ts';
import { generate, type GeneratedToken, type GenerateOptions } from './generate.ts';
import { plainVariants } from './plain-variants.ts';
import { logProbability } from './sampler.ts';

beforeAll(() => startEngine());

const models = goldenFixtures.map((dir) => [basename(dir), dir] as const);

/** Of lengths on both sides of a block of the cache, two with much in common. */
const prompts = [5, 40, 1, 33, 12].map((length, i) => ({
  ids: Array.from({ length }, (_, t) => (t < 9 && length > 30 ? 3 * t + 2 : (31 * i + 7 * t + 3) % 120)),
}));

const open = (dir: string, computeDtype: 'f32' | 'f64' = 'f64'): WeightSource =>
  openWeights(openModel(dir), { mode: 'resident', computeDtype });

const run = async (source: WeightSource, options: Partial<GenerateOptions> = {}, some = prompts) => {
  const tokens: GeneratedToken[][] = some.map(() => []);
  const results = await generate(source, plainVariants, some, {
    maxNewTokens: 8,
    eosTokenIds: [],
    logProbabilities: true,
    onToken: (token) => void tokens[token.prompt]!.push(token),
    ...options,
  });
  return { results, tokens };
};

/** ln p of each new token, by passes over whole sequences, and whether it was the most likely one. */
const withoutCache = async (source: WeightSource, prompt: readonly number[], made: readonly number[]) => {
  const { vocabSize, maxPositionEmbeddings } = source.config;
  const all = [...prompt, ...made].slice(0, maxPositionEmbeddings);
  // Where a sequence's length turns all of its tokens, each token is asked of the sequence as it was then.
  const goesByLength = source.architecture
    .attentionKinds(source.config)
    .some(({ rope }) => rope?.scaling?.type === 'longrope');
  const sequences = goesByLength ? made.map((_, i) => all.slice(0, prompt.length + i)) : [all];
  const batch = prepareBatch(
    source,
    sequences.map((inputIds) => ({ inputIds })),
    source.activationDtype,
  );
  const forward = await forwardPass(source, [batch], (_, w) => plainLinears(w));
  const logits = source.withHead((head) =>
    tidy(() => toFloat32Array(logitsOf(source, forward.hidden[0]!, head))),
  );
  forward.dispose();
  batch.dispose();
  let end = 0;
  const last = sequences.map(({ length }) => (end += length) - 1);
  return made.map((id, i) => {
    const at = goesByLength ? last[i]! : prompt.length + i - 1;
    const row = logits.subarray(at * vocabSize, (at + 1) * vocabSize);
    return { logProbability: logProbability(row, id), best: row.indexOf(Math.max(...row)) };
  });
};

describe.each(models)('%s', (_, dir) => {
  test.each([
    ['f64', 1e-6], // logits come out as float32
    ['f32', 1e-4],
  ] as const)('with the cache tokens are those without it, in %s', async (dtype, tolerance) => {
    const source = open(dir, dtype);
    const maxNewTokens = Math.min(40, source.config.maxPositionEmbeddings - 40);
    const { results, tokens } = await run(source, { maxNewTokens });
    for (const [i, { ids, finish }] of results.entries()) {
      expect(finish).toBe('length');
      const expected = await withoutCache(source, prompts[i]!.ids, ids);
      if (dtype === 'f64') expect(ids).toEqual(expected.map(({ best }) => best));
      const worst = expected.map(({ logProbability: p }, t) => Math.abs(p - tokens[i]![t]!.logProbability!));
      expect(Math.max(...worst)).toBeLessThan(tolerance);
    }
    source.close();
  });
});

test('prompts that wait for room, and those that run alone, get what all together get', async () => {
  const source = open(tinyLlama);
  const together = (await run(source, { maxNewTokens: 20 })).results;
  for (const count of [1, 2]) {
    const cacheBytes = cacheBytesOf(source, count, 64, 'f64');
    expect((await run(source, { maxNewTokens: 20, cacheBytes })).results).toEqual(together);
  }
  for (const [i, prompt] of prompts.entries())
    expect((await run(source, { maxNewTokens: 20 }, [prompt])).results).toEqual([together[i]]);
  source.close();
});

test('a sequence ends at an end-of-text token, when asked to, at the limit, and where the model takes no more', async () => {
  const source = open(tinyLlama);
  const made = (await run(source)).results[0]!.ids;
  const eos = made[3]!;
  const first = made.indexOf(eos);
  const ended = (await run(source, { eosTokenIds: [eos] })).results[0];
  expect(ended).toEqual({ ids: made.slice(0, first + 1), finish: 'eos' });
  const stopped = await run(source, { onToken: ({ prompt }) => (prompt === 0 ? 'stop' : undefined) });
  expect(stopped.results.map(({ ids, finish }) => [ids.length, finish])).toEqual([
    [1, 'stop'],
    ...new Array(4).fill([8, 'length']),
  ]);
  const most = source.config.maxPositionEmbeddings;
  const long = { ids: Array.from({ length: most - 2 }, (_, t) => t % 200) };
  const { results, tokens } = await run(source, { maxNewTokens: 9 }, [long]);
  expect(results[0]).toMatchObject({ finish: 'context' });
  expect(results[0]!.ids).toHaveLength(3);
  expect(tokens[0]!.map(({ finish }) => finish)).toEqual([undefined, undefined, 'context']);
  source.close();
});

test('draws are a function of the seed and of the prompt, whatever is computed beside it', async () => {
  const source = open(tinyLlama);
  const draw = async (seed: number, some = prompts) =>
    (await run(source, { sampling: { doSample: true, temperature: 1.5, seed } }, some)).results;
  const first = await draw(1);
  expect(await draw(1)).toEqual(first);
  expect(await draw(2)).not.toEqual(first);
  expect(await draw(1, prompts.slice(0, 2))).toEqual(first.slice(0, 2));
  const twins = await draw(1, [prompts[0]!, prompts[0]!]);
  expect(twins[0]).not.toEqual(twins[1]);
  source.close();
});

test('nothing is left behind, also where a token is refused in the middle', async () => {
  const source = open(tinyLlama);
  await run(source);
  const before = liveTensors();
  await run(source, { cacheBytes: 1 });
  let count = 0;
  const onToken = (): undefined => {
    if (++count === 12) throw new Error('enough');
  };
  await expect(run(source, { onToken })).rejects.toThrow('enough');
  expect(liveTensors()).toEqual(before);
  source.close();
});

test('options out of range are refused before any pass', async () => {
  const source = open(tinyLlama);
  await expect(run(source, { sampling: { temperature: -1 } })).rejects.toMatchObject({
    field: 'temperature',
  });
  source.close();
});
