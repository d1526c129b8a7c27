import { evaluate } from '@emloc/emloc';
import { startEngine } from '@emloc/engine';
import { openModel, openWeights, type TokenRow } from '@emloc/models';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { evaluateInTurns, type RowTable } from './evaluate-in-turns.ts';

const fixture = fileURLToPath(new URL('../../../tests/fixtures/tiny-llama/', import.meta.url));
const rows: TokenRow[] = readFileSync(`${fixture}train.jsonl`, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { input_ids: number[]; labels: number[] })
  .map(({ input_ids: inputIds, labels }) => ({ inputIds, labels }));
const table = (list: readonly TokenRow[]): RowTable => ({
  lengths: list.map(({ inputIds }) => inputIds.length),
  labelled: list.map(({ labels = [] }) => labels.filter((label) => label !== -100).length),
  slice: (begin, end) => list.slice(begin, end),
});

beforeAll(() => startEngine());

test('in turns the figures are those of all rows at once', async () => {
  const source = openWeights(openModel(fixture), { mode: 'resident' });
  const unlabelled = { inputIds: [1, 2, 3], labels: [-100, -100, -100] };
  try {
    const list = [unlabelled, unlabelled, ...rows];
    const whole = await evaluate(source, undefined, list);
    const begins: number[] = [];
    const options = (before: number): object => (begins.push(before), {});
    const turns = await evaluateInTurns(source, undefined, table(list), options, 40);
    expect(begins.length).toBeGreaterThan(5);
    expect(turns).toMatchObject({ rows: whole.rows, labelledTokens: whole.labelledTokens });
    expect(turns.exactMatch).toEqual(whole.exactMatch);
    expect(turns.loss).toBeCloseTo(whole.loss, 6);
    expect(turns.tokenAccuracy).toBeCloseTo(whole.tokenAccuracy, 12);
    expect(await evaluateInTurns(source, undefined, table(list), options)).toEqual(whole);
    await expect(evaluateInTurns(source, undefined, table([unlabelled]), options)).rejects.toMatchObject({
      reason: 'NO_LABELLED_TOKENS',
    });
  } finally {
    source.close();
  }
});
