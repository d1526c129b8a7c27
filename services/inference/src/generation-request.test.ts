import { Fields, type SourceResolver } from '@emloc/service-kit';
import { expect, test } from 'vitest';
import { readGeneration } from './generation-request.ts';

const sources: SourceResolver = { resolve: async (fields) => ({ path: fields.requiredText('path') }) };
const adapters = ['a', 'b'].map((name) => ({ name, source: { path: `/${name}` } }));
const read = (change: object) =>
  readGeneration(new Fields({ model: { path: '/m' }, prompts: [{ text: 'x' }], ...change }), sources);

test('greedy and 256 tokens unless told otherwise; an option of drawing turns it on', async () => {
  expect((await read({})).options).toMatchObject({ doSample: false, maxNewTokens: 256, topP: 1, topK: 0 });
  expect((await read({ options: { temperature: 0.5 } })).options).toMatchObject({
    doSample: true,
    temperature: 0.5,
  });
  expect((await read({ options: { topK: 3 } })).options.doSample).toBe(true);
  expect((await read({ options: { repetitionPenalty: 1.2, seed: 3 } })).options.doSample).toBe(false);
  expect((await read({ options: { topP: 0.5, doSample: false } })).options.doSample).toBe(false);
});

test('prompts are texts, ids or conversations, each with its adapter', async () => {
  const prompts = [
    { text: 'x', adapter: 'b' },
    { tokens: { ids: [1, 2] } },
    { conversation: { messages: [{ role: 'user', content: '' }] }, adapter: 'a' },
  ];
  expect((await read({ adapters, prompts })).prompts).toEqual([
    { content: { text: 'x' }, adapter: 1 },
    { content: { ids: [1, 2] }, adapter: undefined },
    { content: { messages: [{ role: 'user', content: '' }] }, adapter: 0 },
  ]);
});

test.each<[object, string]>([
  [{ prompts: [] }, 'prompts'],
  [{ prompts: Array.from({ length: 257 }, () => ({ text: 'x' })) }, 'prompts'],
  [{ prompts: [{ text: '' }] }, 'prompts[0].text'],
  [{ prompts: [{ text: 'x' }, { text: 'x', adapter: 'c' }], adapters }, 'prompts[1].adapter'],
  [{ prompts: [{ conversation: { messages: [] } }] }, 'prompts[0].conversation.messages'],
  [
    { prompts: [{ conversation: { messages: [{ content: 'x' }] } }] },
    'prompts[0].conversation.messages[0].role',
  ],
  [{ adapters: [adapters[0], adapters[0]] }, 'adapters[1].name'],
  [{ adapters: [{ name: 'a' }] }, 'adapters[0].source'],
  [{ options: { temperature: -1 } }, 'options.temperature'],
  [{ options: { temperature: 0 } }, 'options.temperature'],
  [{ options: { topP: 0 } }, 'options.top_p'],
  [{ options: { topP: 1.5 } }, 'options.top_p'],
  [{ options: { topK: -1 } }, 'options.top_k'],
  [{ options: { minP: 1.1 } }, 'options.min_p'],
  [{ options: { repetitionPenalty: 0 } }, 'options.repetition_penalty'],
  [{ options: { maxNewTokens: 0 } }, 'options.max_new_tokens'],
  [{ options: { stop: new Array(17).fill('x') } }, 'options.stop'],
  [{ options: { seed: -1 } }, 'options.seed'],
])('%j is refused at %s', async (change, field) => {
  await expect(read(change)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    field,
    mend: expect.any(String),
  });
});
