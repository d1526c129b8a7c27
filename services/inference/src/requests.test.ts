import { fileURLToPath } from 'node:url';
import { Fields, type SourceResolver } from '@emloc/service-kit';
import { expect, test } from 'vitest';
import { readEvaluation, readScore } from './requests.ts';

/** A data file, which is looked at when its format is asked for. */
const data = fileURLToPath(new URL('../../../tests/fixtures/tiny-llama/train.jsonl', import.meta.url));
const sources: SourceResolver = { resolve: async (fields) => ({ path: fields.requiredText('path') }) };
const parts = { model: { path: '/m' }, dataset: { source: { path: data } } };
const evaluation = (change: object) => readEvaluation(new Fields({ ...parts, ...change }), sources);
const score = (change: object) => readScore(new Fields({ ...parts, ...change }), sources);

test('weights are resident and exact matches counted unless told otherwise', async () => {
  expect(await evaluation({})).toMatchObject({ weightLoading: 'resident', exactMatch: true, choices: [] });
  expect(await evaluation({ exactMatch: false, choiceIds: [{ ids: [1] }, { ids: [2, 3] }] })).toMatchObject({
    exactMatch: false,
    choices: [[1], [2, 3]],
  });
});

test.each([
  [() => evaluation({ choices: ['a'] }), 'choices'],
  [() => evaluation({ choices: ['a', 'b'], choiceIds: [{ ids: [1] }] }), 'choice_ids'],
  [() => evaluation({ dataset: null }), 'dataset'],
  [() => score({}), 'rows'],
  [() => score({ rows: [{ ids: [1] }], texts: ['a'] }), 'texts'],
  [() => score({ rows: Array.from({ length: 1025 }, () => ({ ids: [1] })) }), 'rows'],
])('a request that says too little or too much is refused', async (read, field) => {
  await expect(read()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field });
});
