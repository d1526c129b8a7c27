import { expect, test } from 'vitest';
import { parseRow } from './parse-row.ts';
import type { ColumnNames } from './columns.ts';

const place = { file: 'd.jsonl', line: 3 };
const parse = (value: Record<string, unknown>, columns?: ColumnNames) => parseRow({ place, value }, columns);

test('ShareGPT’s turns become messages, the system text before them', () => {
  const conversations = [
    { from: 'human', value: 'hi' },
    { from: 'gpt', value: 'hello' },
    { from: 'function_call', value: '{}' },
    { from: 'observation', value: 'rain' },
    { from: 'GPT', value: 'it rains' },
  ];
  const { row, shape } = parse({ id: 1, system: 'be short', conversations });
  expect(shape).toBe('sharegpt');
  expect(row.kind === 'messages' && row.messages).toEqual([
    { role: 'system', content: 'be short' },
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'hello' },
    { role: 'assistant', content: '{}' },
    { role: 'tool', content: 'rain' },
    { role: 'assistant', content: 'it rains' },
  ]);
  expect(() => parse({ conversations: [{ from: 'alien', value: 'x' }] })).toThrow(
    /d\.jsonl:3: conversations\[0\]\.from is "alien", none of human, user, gpt/,
  );
});

test('Alpaca’s rows are told from texts that stand beside them', () => {
  const value = { instruction: 'add', input: '1, 1', output: '2', text: 'Below is …' };
  expect(parse(value)).toMatchObject({
    shape: 'alpaca',
    row: { kind: 'instruction', instruction: 'add', input: '1, 1', output: '2' },
  });
  expect(parse({ instruction: 'add', input: null, output: '2' }).row).toMatchObject({ input: '' });
});

test('messages keep what templates look at; calls get their arguments as an object, tools may be JSON', () => {
  const call = { type: 'function', function: { name: 'weather', arguments: '{"city": "Bern"}' } };
  const { row } = parse({
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
        name: null,
      },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', content: 'rain', name: 'weather' },
    ],
    tools: '[{"type": "function"}]',
  });
  expect(row).toMatchObject({ tools: [{ type: 'function' }] });
  expect(row.kind === 'messages' && row.messages).toEqual([
    { role: 'user', content: 'ab' },
    {
      role: 'assistant',
      content: '',
      tool_calls: [{ type: 'function', function: { name: 'weather', arguments: { city: 'Bern' } } }],
    },
    { role: 'tool', content: 'rain', name: 'weather' },
  ]);
  expect(() => parse({ messages: [{ role: 'user', content: 'a' }], tools: 'x' })).toThrow(
    /tools is not a list/,
  );
});

test('columns of other names are taken for ours, and nothing else is looked at', () => {
  const value = { question: 'q', answer: 'a', prompt: 'no', messages: 'no', text: 'no' };
  expect(parse(value, { prompt: 'question', completion: 'answer' }).row).toMatchObject({
    kind: 'completion',
    prompt: 'q',
    completion: 'a',
  });
  expect(parse(value, { completion: 'answer' }).row).toMatchObject({ prompt: 'no', completion: 'a' });
  expect(parse(value, { text: 'answer' }).row).toMatchObject({ kind: 'text', text: 'a' });
  const turns = [{ from: 'human', value: 'hi' }];
  expect(parse({ chat: turns, functions: [] }, { messages: 'chat', tools: 'functions' }).row).toMatchObject({
    kind: 'messages',
    messages: [{ role: 'user', content: 'hi' }],
  });
  for (const typed of ['question', 'Qestion', 'Quesstion', 'Qusetion', 'Questlon']) {
    expect(() => parse({ Question: 'q', id: 1 }, { prompt: typed })).toThrow(
      expect.objectContaining({ reason: 'UNKNOWN_COLUMN', mend: 'did you mean Question?' }),
    );
  }
  expect(() => parse({ Question: 'q', id: 1 }, { prompt: 'query' })).toThrow(
    expect.objectContaining({ mend: 'give --prompt-column one of them' }),
  );
});

test('a row of no shape says what each shape lacks, and which options would map it', () => {
  expect(() => parse({ question: 'q', answer: 'a', instruction: 'i' })).toThrow(
    expect.objectContaining({
      reason: 'UNKNOWN_SHAPE',
      message:
        'd.jsonl:3: no known shape in the fields question, answer, instruction: messages lacks messages; ' +
        'sharegpt lacks conversations; prompt-completion lacks prompt and completion; alpaca lacks output; ' +
        'text lacks text; tokens lacks input_ids',
      mend: 'try --prompt-column question --completion-column answer',
    }),
  );
  expect(() => parse({ content: 'x' })).toThrow(
    expect.objectContaining({ mend: 'try --text-column content' }),
  );
  expect(() => parse({ prompt: 'q', chosen: 'a' })).toThrow(/completion is missing/);
});
