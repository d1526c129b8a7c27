/** Tokenizers out of a GGUF file's lists give the ids of the libraries that they came from, on a page of mixed texts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../testing/temporary-directory.ts';
import { loadTokenizer, type Tokenizer } from '../../tokenizer/load-tokenizer.ts';
import { GgufMetadata } from '../metadata.ts';
import { tokenizerFiles } from './tokenizer-files.ts';

const fixtures = join(import.meta.dirname, '../../../../../tests/fixtures/tokenizers');
const read = <T>(kind: string, name: string): T =>
  JSON.parse(readFileSync(join(fixtures, kind, name), 'utf8')) as T;

interface Row {
  readonly text: string;
  readonly ids: readonly number[];
}

interface Added {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

function imported(metadata: Record<string, unknown>): Tokenizer {
  const { files } = tokenizerFiles(new GgufMetadata('x.gguf', metadata), 512, 'x.gguf');
  const out = join(temporaryDirectory(), 'out');
  mkdirSync(out);
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(out, name), JSON.stringify(content));
  return loadTokenizer(out)!;
}

function expectSameIds(tokenizer: Tokenizer, kind: string): void {
  const rows = read<Row[]>(kind, 'ids.json');
  expect(rows.length).toBeGreaterThan(30);
  for (const { text, ids } of rows)
    expect(tokenizer.encode(text, { addSpecialTokens: false }), text).toEqual(ids);
}

/** llama.cpp's converter: the added tokens behind the pieces, user-defined ones with plain spaces. */
test.each([
  ['sentencepiece-llama', {}],
  ['sentencepiece-gemma', { 'tokenizer.ggml.add_space_prefix': false }],
])('%s: scores become merges', (kind, more) => {
  const pieces = read<[string, number, number][]>(kind, 'pieces.json');
  const added = read<{ added_tokens: Added[] }>(kind, 'tokenizer.json').added_tokens.slice(-1);
  const all = [...pieces, ...added.map(({ content }): [string, number, number] => [content, -1000, 4])];
  expect(added[0]!.id).toBe(pieces.length);
  const tokenizer = imported({
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': all.map(([piece]) => piece),
    'tokenizer.ggml.scores': all.map(([, score]) => score),
    'tokenizer.ggml.token_type': all.map(([, , type]) => type),
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.ggml.unknown_token_id': 0,
    ...more,
  });
  expectSameIds(tokenizer, kind);
  expect(tokenizer.encode('The fox').slice(0, 1)).toEqual([1]);
  const text = 'def fib(n):  日本 😀';
  expect(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false }))).toBe(text);
});

test.each([
  ['byte-level-gpt2', 'gpt-2'],
  ['byte-level-llama3', 'llama-bpe'],
  ['byte-level-qwen2', 'qwen2'],
])('%s: cut in the way of %s', (kind, pre) => {
  const { model, added_tokens } = read<{
    model: { vocab: Record<string, number>; merges: [string, string][] };
    added_tokens: Added[];
  }>(kind, 'tokenizer.json');
  const vocab = {
    ...model.vocab,
    ...Object.fromEntries(added_tokens.map(({ content, id }) => [content, id])),
  };
  const tokens = Object.entries(vocab).sort(([, a], [, b]) => a - b);
  const typeOf = new Map(added_tokens.map(({ content, special }) => [content, special ? 3 : 4]));
  const tokenizer = imported({
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': tokens.map(([token]) => token),
    'tokenizer.ggml.token_type': tokens.map(([token]) => typeOf.get(token) ?? 1),
    'tokenizer.ggml.merges': model.merges.map((merge) => merge.join(' ')),
    'tokenizer.ggml.bos_token_id': 0,
  });
  expectSameIds(tokenizer, kind);
});

test('scores that are missing or too few are refused', () => {
  const metadata = { 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.tokens': ['a', 'b'] };
  const make = (more: object) => () =>
    tokenizerFiles(new GgufMetadata('x.gguf', { ...metadata, ...more }), 512, 'x.gguf');
  expect(make({})).toThrow('has no scores for 2 tokens');
  expect(make({ 'tokenizer.ggml.scores': [0] })).toThrow('has 1 scores for 2 tokens');
});

test('ends of texts and turns are known by their names, as llama.cpp knows them, and are found in texts', () => {
  const made = (tokens: readonly string[], more: object = {}) =>
    tokenizerFiles(
      new GgufMetadata('x.gguf', {
        'tokenizer.ggml.model': 'llama',
        'tokenizer.ggml.tokens': tokens,
        'tokenizer.ggml.scores': tokens.map(() => 0),
        'tokenizer.ggml.token_type': tokens.map((token) => (token === '<unk>' ? 2 : 1)),
        ...more,
      }),
      512,
      'x.gguf',
    );
  const gemma = made(['<unk>', '<eos>', 'a', '<end_of_turn>']);
  expect(gemma.tokenIds).toMatchObject({ eos_token_id: [1, 3] });
  expect(gemma.files).toMatchObject({
    'tokenizer_config.json': { eos_token: '<eos>' },
    'generation_config.json': { eos_token_id: [1, 3] },
    'tokenizer.json': {
      added_tokens: [
        { id: 0, content: '<unk>', special: true },
        { id: 3, content: '<end_of_turn>', special: true },
      ],
    },
  });
  const chat = made(['<|endoftext|>', '<|im_end|>', 'a'], { 'tokenizer.ggml.eos_token_id': 1 });
  expect(chat.tokenIds).toMatchObject({ eos_token_id: [1, 0] });
  expect(made(['a']).tokenIds).toMatchObject({ eos_token_id: null });
});
