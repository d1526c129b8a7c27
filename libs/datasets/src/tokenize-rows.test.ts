import { expect, test } from 'vitest';
import { ByteTokenizer } from './byte-tokenizer.test-helper.ts';
import type { Row } from './rows.ts';
import { tokenizeRows, type TokenizeOptions } from './tokenize-rows.ts';

const place = { file: 'data.jsonl', line: 7 };
const chat: Row = {
  ...place,
  kind: 'messages',
  messages: [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'first' },
    { role: 'user', content: 'so' },
    { role: 'assistant', content: 'yes' },
  ],
};
const completion: Row = { ...place, kind: 'completion', prompt: 'ab', completion: 'cd' };
const tokens = (inputIds: number[], labels = inputIds): Row => ({
  ...place,
  kind: 'tokens',
  inputIds,
  labels,
});
const tokenizer = new ByteTokenizer();

function labelled(
  row: Row,
  options: TokenizeOptions = {},
  own = tokenizer,
): { text: string; labelled: string; prompt: string } {
  const [out] = tokenizeRows([row], own, options);
  const read = (ids: ArrayLike<number>): string => own.decode(Array.from(ids));
  return {
    text: read(out!.inputIds),
    labelled: read(out!.labels.filter((label) => label !== -100)),
    prompt: read(out!.promptIds),
  };
}

test('of a conversation the last answer and its end-of-turn token are learnt, not the line break after', () => {
  const { text, labelled: learnt, prompt } = labelled(chat);
  expect(learnt).toBe('yes<|end|>');
  expect(text.endsWith('yes<|end|>\n')).toBe(true);
  expect(prompt.endsWith('so<|end|>\n<|begin|>assistant\n')).toBe(true);
  expect(text.startsWith(prompt)).toBe(true);
});

test('a template without an end-of-turn mark leaves the answer whole', () => {
  expect(labelled(chat, {}, new ByteTokenizer({ closing: '\n' })).labelled).toBe('yes\n');
});

test('with loss on everything every token but the first is learnt', () => {
  const { text, labelled: learnt } = labelled(chat, { lossOn: 'all' });
  expect(`<|begin|>${learnt}`).toBe(text);
});

test('prompt and completion are joined, and the end of text is learnt', () => {
  expect(labelled(completion)).toEqual({ text: 'abcd<|eos|>', labelled: 'cd<|eos|>', prompt: 'ab' });
});

test('where a token would reach over the border, prompt and completion stay apart', () => {
  const merging = new ByteTokenizer({ merges: ['bc'] });
  const [row] = tokenizeRows([completion], merging);
  expect([...row!.inputIds]).toEqual([97, 98, 99, 100, 258]);
  expect([...row!.completionIds]).toEqual([99, 100, 258]);
});

test('text is learnt whole, with the end of text', () => {
  expect(labelled({ ...place, kind: 'text', text: 'abc' }, { lossOn: 'all' })).toMatchObject({
    text: 'abc<|eos|>',
    labelled: 'bc<|eos|>',
  });
  expect(labelled({ ...place, kind: 'text', text: 'abc' })).toMatchObject({ labelled: 'bc<|eos|>' });
});

test('pre-tokenized rows keep their ids and labels, and need no tokenizer', () => {
  const [row] = tokenizeRows([tokens([5, 6, 7, 8], [-100, -100, 7, 8])], undefined, { vocabSize: 9 });
  expect([...row!.inputIds]).toEqual([5, 6, 7, 8]);
  expect([...row!.labels]).toEqual([-100, -100, 7, 8]);
  expect([...row!.promptIds]).toEqual([5, 6]);
  expect([...row!.completionIds]).toEqual([7, 8]);
});

test('rows over the limit are cut only where that is allowed', () => {
  const row = tokens([1, 2, 3, 4], [-100, 2, 3, 4]);
  const [cut] = tokenizeRows([row], undefined, { maxLength: 3, truncate: true });
  expect([...cut!.labels]).toEqual([-100, 2, 3]);
  expect([...cut!.completionIds]).toEqual([2, 3]);
  expect(() => tokenizeRows([row], undefined, { maxLength: 3 })).toThrow(
    /data.jsonl:7: 4 tokens, over the limit of 3/,
  );
  expect(() => tokenizeRows([row], undefined, { contextLength: 3 })).toThrow(/over the model's context of 3/);
  expect(() => tokenizeRows([completion], tokenizer, { maxLength: 2, truncate: true })).toThrow(
    /nothing left to learn/,
  );
});

const refused: [string, Row, TokenizeOptions, RegExp][] = [
  [
    'an id beyond the vocabulary',
    tokens([1, 300]),
    { vocabSize: 256 },
    /token 1 has id 300, beyond the vocabulary of 256/,
  ],
  ['a negative id', tokens([-1, 3]), { vocabSize: 256 }, /token 0 has the negative id -1/],
  ['a label beyond the vocabulary', tokens([1, 2], [-100, 256]), { vocabSize: 256 }, /label 1 is 256/],
  ['a negative label', tokens([1, 2], [-100, -1]), {}, /label 1 is -1/],
  ['a row without tokens', tokens([]), {}, /no tokens/],
  [
    'an unanswered question',
    { ...place, kind: 'messages', messages: [{ role: 'user', content: 'q' }] },
    {},
    /no answer to learn/,
  ],
  [
    'a role that the template does not know',
    { ...place, kind: 'messages', messages: [{ role: 'alien', content: 'q' }] },
    { lossOn: 'all' },
    /template fails: unknown role/,
  ],
];

test.each(refused)('%s is an error with file and line', (_what, row, options, message) => {
  expect(() => tokenizeRows([row], tokenizer, options)).toThrow(message);
  expect(() => tokenizeRows([row], tokenizer, options)).toThrow(/data.jsonl:7/);
});

test('a template that rewrites earlier turns is refused for completion-only loss', () => {
  const rewriting = new (class extends ByteTokenizer {
    override applyChatTemplate(messages: Parameters<ByteTokenizer['applyChatTemplate']>[0]): string {
      return `${messages.length} turns: ${messages.map((m) => m.content).join(' ')}`;
    }
  })();
  expect(() => tokenizeRows([chat], rewriting)).toThrow(/changes the prompt/);
});

test('text without a tokenizer is refused before any work', () => {
  expect(() => tokenizeRows([completion], undefined)).toThrow(/the model has no tokenizer/);
});
