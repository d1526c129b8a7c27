import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ByteTokenizer } from './byte-tokenizer.test-helper.ts';
import { ChoiceTableWriter } from './choice-table.ts';
import { choicesFor, readChoices, type Choice, type ChoiceRow } from './choices.ts';
import type { Row } from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';
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

const choiceRows = (
  rows: readonly Row[],
  choices: readonly Choice[],
  by?: TextTokenizer,
  limits?: Parameters<typeof choicesFor>[1],
): ChoiceRow[] => {
  const choose = choicesFor(choices, limits);
  return rows.map((one) => choose(one, by));
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

test('rows come back from the table with their prompts, candidates and answers', () => {
  const choose = choicesFor(['java', ' mail', 'web']);
  const rows = ['java', 'web', 'other'].map((completion, i): Row => ({
    ...place,
    kind: 'completion',
    prompt: `p${'o'.repeat(i)}:`,
    completion,
  }));
  const chosen = rows.map((one) => choose(one, tokenizer));
  const writer = new ChoiceTableWriter();
  rows.forEach((one, i) => writer.add(one, chosen[i]!));
  using table = writer.finish();
  expect([2, 0, 1].map((i) => table.at(i))).toEqual([2, 0, 1].map((i) => chosen[i]));
  expect(chosen.map(({ answer }) => answer)).toEqual([0, 2, -1]);
  expect(table.at(0).candidates).toBe(table.at(2).candidates);
  expect([table.length, table.tokensOf(0), table.tokensOf(2)]).toEqual([3, 2 + 5 + 6 + 4, 4 + 5 + 6 + 4]);
  expect(() => choose({ ...place, kind: 'completion', prompt: '', completion: 'java' }, tokenizer)).toThrow(
    /the prompt has no tokens/,
  );
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
