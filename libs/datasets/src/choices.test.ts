import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ByteTokenizer } from './byte-tokenizer.test-helper.ts';
import { choiceRows, readChoices } from './choices.ts';
import type { Row } from './rows.ts';
import { tokenizeRows } from './tokenize-rows.ts';

const place = { file: 'data.jsonl', line: 1 };
const tokenizer = new ByteTokenizer();
const row: Row = {
  ...place,
  kind: 'messages',
  messages: [
    { role: 'user', content: 'which?' },
    { role: 'assistant', content: 'java' },
  ],
};

test('every candidate ends its turn, so that one is not the beginning of another', () => {
  const [choice] = choiceRows([row], ['javascript', 'java', 'mail'], tokenizer);
  const texts = choice!.candidates.map((ids) => tokenizer.decode([...ids]));
  expect(texts).toEqual(['javascript<|end|>', 'java<|end|>', 'mail<|end|>']);
  expect(choice!.answer).toBe(1);
  const [tokens] = tokenizeRows([row], tokenizer);
  expect(choice!.candidates[1]).toEqual(tokens!.completionIds);
  expect(choice!.promptIds).toEqual(tokens!.promptIds);
});

test('choices have the tokens that they have after the prompt, also where an answer would be cut otherwise by itself', () => {
  const completion: Row = { ...place, kind: 'completion', prompt: 'a:', completion: ' xy' };
  const [alone] = choiceRows([completion], ['xy', ' xy', 'b'], tokenizer);
  expect(alone!.candidates.map((ids) => tokenizer.decode([...ids]))).toEqual([
    'xy<|eos|>',
    ' xy<|eos|>',
    'b<|eos|>',
  ]);
  expect(alone!.answer).toBe(1);
  // A tokenizer that marks the beginning of every text, as SentencePiece does.
  const marking = new (class extends ByteTokenizer {
    override encode(text: string): number[] {
      return [95, ...super.encode(text)];
    }
  })();
  const [marked] = choiceRows([completion], [' xy', 'b'], marking);
  expect(marked!.candidates.map((ids) => marking.decode([...ids]))).toEqual([' xy<|eos|>', 'b<|eos|>']);
});

test('an answer that is no choice has no index; pre-tokenized rows take choices of ids', () => {
  expect(choiceRows([row], ['mail', 'web'], tokenizer)[0]!.answer).toBe(-1);
  const tokens: Row = { ...place, kind: 'tokens', inputIds: [1, 2, 3], labels: [-100, -100, 3] };
  const [choice] = choiceRows([tokens], [[4, 5], [3]], undefined, { vocabSize: 6 });
  expect(choice).toEqual({
    promptIds: Int32Array.of(1, 2),
    candidates: [Int32Array.of(4, 5), Int32Array.of(3)],
    answer: 1,
  });
  expect(() => choiceRows([tokens], [[9]], undefined, { vocabSize: 6 })).toThrow(/id 9/);
  expect(() => choiceRows([tokens], ['a'], undefined)).toThrow(/choices are texts/);
  expect(() => choiceRows([row], [[1]], tokenizer)).toThrow(/choices are token ids/);
  expect(() => choiceRows([{ ...place, kind: 'text', text: 'a' }], ['a'], tokenizer)).toThrow(/no prompt/);
});

test('choices are read from a list or from lines', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'emloc-choices-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'c');
  const read = (text: string): Promise<unknown> => (writeFileSync(path, text), readChoices(path));
  expect(await read('["a", "b c"]')).toEqual(['a', 'b c']);
  expect(await read('a\nb c\n')).toEqual(['a', 'b c']);
  expect(await read('[[1], [2, 3]]')).toEqual([[1], [2, 3]]);
  await expect(read('["a"]')).rejects.toThrow(/at least two/);
  await expect(read('["a", "a"]')).rejects.toThrow(/"a" twice/);
  await expect(read('["a", [1]]')).rejects.toThrow(/neither a list/);
  await expect(read('["a"')).rejects.toThrow(/not JSON/);
  await expect(readChoices(`${path}-none`)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
