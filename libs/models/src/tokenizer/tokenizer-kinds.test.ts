/** Each kind of tokenizer against Python's `tokenizers`, on a page of mixed scripts, emoji and code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from './load-tokenizer.ts';

const fixtures = join(import.meta.dirname, '../../../../tests/fixtures/tokenizers');

interface Row {
  readonly text: string;
  readonly ids: readonly number[];
  /** With special tokens around it. */
  readonly around: readonly number[];
  readonly decoded: string;
}

const kinds = [
  'byte-level-gpt2',
  'byte-level-llama3',
  'byte-level-qwen2',
  'sentencepiece-llama',
  'sentencepiece-gemma',
  'unigram',
];

describe.each(kinds)('%s', (kind) => {
  const tokenizer = loadTokenizer(join(fixtures, kind))!;
  const rows = JSON.parse(readFileSync(join(fixtures, kind, 'ids.json'), 'utf8')) as Row[];

  test.each(rows.map((row) => [JSON.stringify(row.text).slice(0, 60), row] as const))(
    '%s becomes the same ids, and back',
    (_, { text, ids, around, decoded }) => {
      expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(ids);
      expect(tokenizer.encode(text)).toEqual(around);
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(decoded);
    },
  );
});
