import { join } from 'node:path';
import { liveTensors, startEngine } from '@emloc/engine';
import {
  forwardPass,
  greedyContinue,
  lossPass,
  openModel,
  openWeights,
  plainLinears,
  prepareBatch,
  type TokenRow,
} from '@emloc/models';
import { beforeAll, expect, test } from 'vitest';
import { decoderLinears } from '../decoder-linears.ts';
import { adapterLinears } from '../lora/adapter-linears.ts';
import { loadAdapter, openAdapter } from '../lora/open-adapter.ts';
import { calibrationRows, temporaryDirectory, tinyLlama } from '../testing/fixture.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { evaluateChoices } from './choices.ts';
import { evaluate, evaluateVariants } from './evaluate.ts';

beforeAll(() => startEngine());

/** Rows with loss on the last `n` tokens. */
const completions = (n: number): TokenRow[] =>
  calibrationRows().map(({ inputIds }) => ({
    inputIds,
    labels: inputIds.map((id, t) => (t < inputIds.length - n ? -100 : id)),
  }));

test('the loss is the mean over all labelled tokens, however the rows are cut into waves', async () => {
  const before = liveTensors().count;
  const source = openWeights(openModel(tinyLlama), { mode: 'streamed', computeDtype: 'f64' });
  const rows = completions(5).concat({ inputIds: [1, 4, 5], labels: [-100, 4, 5] });
  const batch = prepareBatch(source, rows, 'f64');
  const forward = await forwardPass(source, [batch], (_, weights) => plainLinears(weights));
  const { lossSum, count } = lossPass(source, [batch], forward.hidden);
  forward.dispose();
  batch.dispose();
  for (const stateBytes of [1, 40_000, 2 ** 30]) {
    const result = await evaluate(source, undefined, rows, { stateBytes });
    expect(result.loss).toBeCloseTo(lossSum / count, 12);
    expect(result.perplexity).toBeCloseTo(Math.exp(lossSum / count), 9);
    expect([result.rows, result.labelledTokens]).toEqual([9, count]);
  }
  source.close();
  expect(liveTensors().count).toBe(before);
});

test('several variants at once give what each gives alone', async () => {
  const model = openModel(tinyLlama);
  const source = openWeights(model, { mode: 'streamed' });
  using adapter = loadAdapter(openAdapter(join(tinyLlama, 'adapter-corrected')), decoderLinears(model));
  const rows = completions(6);
  const variants = [
    adapterLinears(source, undefined),
    adapterLinears(source, adapter),
    adapterLinears(source, adapter, () => ({ strength: 1.5 })),
  ];
  const together = await evaluateVariants(source, rows, variants, { stateBytes: 60_000 });
  expect(new Set(together.map(({ loss }) => loss)).size).toBe(3);
  for (const [i, variant] of variants.entries()) {
    const [alone] = await evaluateVariants(source, rows, [variant]);
    expect(together[i]?.loss).toBeCloseTo(alone?.loss ?? NaN, 6);
  }
  expect((await evaluate(source, adapter, rows)).loss).toBeCloseTo(together[1]?.loss ?? NaN, 6);
  source.close();
});

test('an exact match is what greedy decoding gives', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'resident' });
  const prompts = calibrationRows().map(({ inputIds }) => inputIds.slice(0, 12));
  const tokens = 3;
  const decoded = await greedyContinue(source, (_, weights) => plainLinears(weights), prompts, {
    maxNewTokens: tokens,
    eosTokenIds: [],
  });
  // Half the rows have what the model would say as their completion, the others something else in the last place.
  const rows = prompts.map((prompt, i): TokenRow => {
    const said = [...(decoded[i] ?? [])];
    if (i % 2 === 1) said[tokens - 1] = ((said[tokens - 1] ?? 0) + 1) % 256;
    const inputIds = [...prompt, ...said];
    return { inputIds, labels: inputIds.map((id, t) => (t < prompt.length ? -100 : id)) };
  });
  const result = await evaluate(source, undefined, rows);
  expect(result.exactMatch).toEqual({ accuracy: 0.5, rows: 8 });
  source.close();
});

test('rows that are no prompt with a short completion are not asked to be exact', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'resident' });
  const text = calibrationRows().map(({ inputIds }) => ({ inputIds, labels: [...inputIds] }));
  expect((await evaluate(source, undefined, text)).exactMatch).toBeUndefined();
  const unlabelled = calibrationRows();
  await expect(evaluate(source, undefined, unlabelled)).rejects.toMatchObject({
    reason: 'NO_LABELLED_TOKENS',
  });
  source.close();
});

test('the chosen answer is the one that a loss over it alone would choose', async () => {
  const directory = writeTinyModel(join(temporaryDirectory(), 'model'), { layers: 2 });
  const source = openWeights(openModel(directory), { mode: 'streamed', computeDtype: 'f64' });
  const choices = [[3, 4], [3, 9, 2], [17]];
  const prompts = Array.from({ length: 60 }, (_, i) => [1, 5 + (i % 20), 9, 2 + (i % 7), 30, 3, 8, 4]);
  const best: number[] = [];
  for (const prompt of prompts) {
    const rows = choices.map((choice): TokenRow => {
      const inputIds = [...prompt, ...choice];
      return { inputIds, labels: inputIds.map((id, t) => (t < prompt.length ? -100 : id)) };
    });
    const sums = [];
    for (const one of rows) {
      const { loss, labelledTokens } = await evaluate(source, undefined, [one]);
      sums.push(-loss * labelledTokens);
    }
    best.push(sums.indexOf(Math.max(...sums)));
  }
  const rows = prompts.map((promptIds, i) => ({
    promptIds,
    choices,
    answer: i % 3 === 0 ? (best[i] ?? 0) : 99,
  }));
  const result = await evaluateChoices(source, undefined, rows);
  expect(result.chosen).toEqual(best);
  expect(result.accuracy).toBeCloseTo(20 / 60, 12);
  // Labelled with an answer that is a choice, the rows have the loss that scoring the choices gives.
  const answered = rows.map((row, i) => ({ ...row, answer: best[i] ?? 0 }));
  const labelled = answered.map(({ promptIds, choices: ids, answer }) => {
    const completion = ids[answer] ?? [];
    const inputIds = [...promptIds, ...completion];
    return { inputIds, labels: inputIds.map((id, t) => (t < promptIds.length ? -100 : id)) };
  });
  const { loss, answerTokens } = await evaluateChoices(source, undefined, answered);
  const direct = await evaluate(source, undefined, labelled);
  expect(loss).toBeCloseTo(direct.loss, 5);
  expect(answerTokens).toBe(direct.labelledTokens);
  await expect(evaluateChoices(source, undefined, [])).rejects.toMatchObject({ reason: 'NO_ROWS' });
  source.close();
});
