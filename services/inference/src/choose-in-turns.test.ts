import { fileURLToPath } from 'node:url';
import type { Row } from '@emloc/datasets';
import { evaluateChoices } from '@emloc/emloc';
import { startEngine } from '@emloc/engine';
import { openModel, openWeights } from '@emloc/models';
import { beforeAll, expect, test } from 'vitest';
import { ChoiceCollector, chooseInTurns, widestRow } from './choose-in-turns.ts';

const fixture = fileURLToPath(new URL('../../../tests/fixtures/tiny-llama/', import.meta.url));
const model = openModel(fixture);
const choices = [[3, 4], [3, 9, 2], [17]];
const place = { file: 'a.jsonl', line: 1 };

function collected(count: number): ChoiceCollector {
  const collector = new ChoiceCollector(choices, model);
  for (let i = 0; i < count; i++) {
    const prompt = Array.from({ length: 5 + (i % 9) }, (_, t) => (7 * i + 3 * t) % 200);
    const answer = choices[i % 3]!;
    const inputIds = [...prompt, ...answer];
    const labels = inputIds.map((id, t) => (t < prompt.length ? -100 : id));
    const row: Row = { ...place, line: i + 1, kind: 'tokens', inputIds, labels };
    const ids = Int32Array.from(inputIds);
    const tokens = {
      ...place,
      inputIds: ids,
      labels: Int32Array.from(labels),
      promptIds: ids,
      completionIds: ids,
    };
    collector.see(tokens, row);
  }
  return collector;
}

beforeAll(() => startEngine());

test('in turns the figures are those of all rows at once', async () => {
  const collector = collected(40);
  expect(collector.holdsLabels).toBe(true);
  using table = collector.finish();
  expect(widestRow(table)).toBe(13 + 6);
  const rows = Array.from({ length: 40 }, (_, i) => table.at(i)).map(({ promptIds, answer }) => ({
    promptIds: [...promptIds],
    choices,
    answer,
  }));
  const source = openWeights(model, { mode: 'resident' });
  try {
    const whole = await evaluateChoices(source, undefined, rows);
    const begins: number[] = [];
    const options = (before: number): object => (begins.push(before), {});
    const turns = await chooseInTurns(source, undefined, table, options, 60);
    expect(begins.length).toBeGreaterThan(5);
    expect(turns.accuracy).toBeCloseTo(whole.accuracy, 12);
    expect(turns.loss).toBeCloseTo(whole.loss, 6);
    expect(turns.answerTokens).toBe(whole.answerTokens);
  } finally {
    source.close();
  }
});

test('rows whose answer is no choice, and packed text, are refused', () => {
  const collector = collected(3);
  const ids = Int32Array.of(1, 2, 5);
  const tokens = { ...place, inputIds: ids, labels: ids, promptIds: ids, completionIds: ids };
  const other: Row = { ...place, kind: 'tokens', inputIds: [1, 2, 5], labels: [-100, -100, 5] };
  expect(() => collector.see(tokens, other)).toThrow(
    expect.objectContaining({ reason: 'ANSWER_NOT_A_CHOICE' }),
  );
  expect(() => collector.see(tokens, undefined)).toThrow(expect.objectContaining({ reason: 'NO_PROMPT' }));
  collector.abandon();
});

test('labels besides those of the right answer are not in the scores of the choices', () => {
  const collector = collected(3);
  const ids = Int32Array.of(1, 2, 17);
  const labels = Int32Array.of(-100, 2, 17);
  const row: Row = { ...place, kind: 'tokens', inputIds: [1, 2, 17], labels: [-100, -100, 17] };
  collector.see({ ...place, inputIds: ids, labels, promptIds: ids, completionIds: ids }, row);
  expect(collector.holdsLabels).toBe(false);
  collector.abandon();
});
