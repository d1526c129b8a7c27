/** The short ways to ids give what the library gives without them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { loadTokenizer } from './load-tokenizer.ts';

const fixtures = join(import.meta.dirname, '../../../../tests/fixtures/tokenizers');
const page = readFileSync(join(fixtures, 'page.txt'), 'utf8');

interface TokenizerFile {
  readonly added_tokens: readonly Record<string, unknown>[];
  readonly pre_tokenizer: unknown;
}

const read = (kind: string): TokenizerFile =>
  JSON.parse(readFileSync(join(fixtures, kind, 'tokenizer.json'), 'utf8')) as TokenizerFile;

/** Ids of texts that begin with one another, as prompts and turns do, with the special tokens between them. */
function check(file: TokenizerFile): void {
  const dir = temporaryDirectory();
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(file));
  const ours = loadTokenizer(dir)!;
  const library = new Tokenizer(file, {});
  const specials = file.added_tokens.map(({ content }) => String(content));
  const turns = ['a b', ' a b', page.slice(0, 700), '', 'a b', '\n\n x1 2', page].flatMap((text, i) => [
    text,
    specials[i % specials.length] ?? '',
  ]);
  const texts = turns.map((_, i) => turns.slice(0, i + 1).join(''));
  for (const text of [...texts, ...texts.toReversed()]) {
    const { ids } = library.encode(text, { add_special_tokens: false });
    expect(ours.encode(text, { addSpecialTokens: false })).toEqual(ids);
  }
}

describe.each([
  'byte-level-gpt2',
  'byte-level-llama3',
  'byte-level-qwen2',
  'sentencepiece-llama',
  'sentencepiece-gemma',
  'unigram',
])('%s', (kind) => {
  test('texts that begin with one another', () => check(read(kind)));

  test('special tokens that take the spaces beside them along', () => {
    const file = read(kind);
    check({ ...file, added_tokens: file.added_tokens.map((token) => ({ ...token, lstrip: true })) });
    check({ ...file, added_tokens: file.added_tokens.map((token) => ({ ...token, rstrip: true })) });
  });
});

test('a mark before the first word only', () => {
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true };
  check({ ...read('unigram'), pre_tokenizer: metaspace });
  check({ ...read('unigram'), pre_tokenizer: { type: 'Sequence', pretokenizers: [metaspace] } });
});
