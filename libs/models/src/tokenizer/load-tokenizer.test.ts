import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadTokenizer } from './load-tokenizer.ts';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'emloc-tokenizer-'))));
afterEach(() => rmSync(dir, { recursive: true }));

const put = (name: string, value: unknown): void =>
  writeFileSync(join(dir, name), typeof value === 'string' ? value : JSON.stringify(value));

/** A byte-level BPE of a few letters, with ChatML's marks, that puts <s> before a text. */
const bpe = {
  added_tokens: ['<s>', '<|im_start|>', '<|im_end|>'].map((content, id) => ({
    id,
    content,
    special: true,
    normalized: false,
    lstrip: false,
    rstrip: false,
    single_word: false,
  })),
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
  },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    vocab: {
      '<s>': 0,
      '<|im_start|>': 1,
      '<|im_end|>': 2,
      a: 3,
      b: 4,
      Ġ: 5,
      ab: 6,
      Ġab: 7,
      Ċ: 8,
      s: 9,
      u: 10,
      ',': 11,
    },
    merges: [
      ['a', 'b'],
      ['Ġ', 'ab'],
    ],
  },
};

const chatml =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + eos_token + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>a\\n' }}{% endif %}";

test('a directory without tokenizer.json has no tokenizer', () => {
  expect(loadTokenizer(dir)).toBeUndefined();
});

test('texts become tokens with and without special tokens, and come back', () => {
  put('tokenizer.json', bpe);
  put('tokenizer_config.json', { bos_token: '<s>', eos_token: { content: '<|im_end|>' } });
  const tokenizer = loadTokenizer(dir)!;
  expect(tokenizer.encode('ab ab')).toEqual([0, 6, 7]);
  expect(tokenizer.encode('ab<|im_end|>ab', { addSpecialTokens: false })).toEqual([6, 2, 6]);
  expect(tokenizer.encode('', { addSpecialTokens: false })).toEqual([]);
  expect(tokenizer.decode([0, 6, 7, 2])).toBe('ab ab');
  expect(tokenizer.decode([0, 6, 7, 2], { skipSpecialTokens: false })).toBe('<s>ab ab<|im_end|>');
  expect(tokenizer.decode([6, 5, 11])).toBe('ab ,');
  expect(tokenizer.decode([])).toBe('');
  expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual([0, 2, undefined]);
});

test('special tokens may be named in special_tokens_map.json alone', () => {
  put('tokenizer.json', bpe);
  put('special_tokens_map.json', { eos_token: '<|im_end|>', pad_token: '<s>' });
  expect(loadTokenizer(dir)).toMatchObject({ eosTokenId: 2, padTokenId: 0 });
});

describe('chat templates', () => {
  const messages = [
    { role: 'u', content: 'ab' },
    { role: 'a', content: 'b' },
  ];
  const expected = '<|im_start|>u\nab<|im_end|>\n<|im_start|>a\nb<|im_end|>\n';

  test.each([
    ['a text', chatml],
    [
      'a list with a default',
      [
        { name: 'rag', template: 'no' },
        { name: 'default', template: chatml },
      ],
    ],
  ])('are read from tokenizer_config.json as %s', (_, chat_template) => {
    put('tokenizer.json', bpe);
    put('tokenizer_config.json', { eos_token: '<|im_end|>', chat_template });
    const tokenizer = loadTokenizer(dir)!;
    expect(tokenizer.applyChatTemplate(messages)).toBe(expected);
    expect(tokenizer.applyChatTemplate(messages.slice(0, 1), { addGenerationPrompt: true })).toBe(
      '<|im_start|>u\nab<|im_end|>\n<|im_start|>a\n',
    );
  });

  test('in a file of their own win', () => {
    put('tokenizer.json', bpe);
    put('tokenizer_config.json', { eos_token: '<|im_end|>', chat_template: 'no' });
    put('chat_template.jinja', chatml);
    expect(loadTokenizer(dir)!.applyChatTemplate(messages)).toBe(expected);
  });

  test('may be given in place of the directory’s own, and get the tools and what else a message holds', () => {
    put('tokenizer.json', bpe);
    put('chat_template.jinja', 'no');
    const chatTemplate =
      '{% if tools %}{{ tools | length }}:{{ tools[0].name }} {% endif %}{% for m in messages %}{{ m.content }}' +
      '{% if m.tool_calls %}{{ m.tool_calls[0].function.arguments.city }}{% endif %}{% endfor %}';
    const tokenizer = loadTokenizer(dir, { chatTemplate })!;
    const calls = [{ function: { name: 'weather', arguments: { city: 'Bern' } } }];
    expect(tokenizer.applyChatTemplate([{ role: 'a', content: 'b', tool_calls: calls }])).toBe('bBern');
    expect(tokenizer.applyChatTemplate(messages, { tools: [{ name: 'weather' }] })).toBe('1:weather abb');
  });

  test('say by generation tags what the assistant writes, without a change of the text', () => {
    put('tokenizer.json', bpe);
    const marked =
      "{% for m in messages %}\n  {{- '<|im_start|>' + m.role + '\\n' }}\n  {%- if m.role == 'a' %}\n" +
      "    {%- generation %}{{ m.content + '<|im_end|>' }}{%- endgeneration %}\n" +
      "  {%- else %}{{ m.content + '<|im_end|>' }}{% endif %}\n{{ '\\n' }}{% endfor %}";
    const tokenizer = loadTokenizer(dir, { chatTemplate: marked })!;
    const found = tokenizer.markGenerations([...messages, ...messages])!;
    expect(found.text).toBe(tokenizer.applyChatTemplate([...messages, ...messages]));
    expect(found.text.startsWith(expected.slice(0, -1))).toBe(true);
    expect(found.spans.map(([begin, end]) => found.text.slice(begin, end))).toEqual([
      'b<|im_end|>',
      'b<|im_end|>',
    ]);
    expect(loadTokenizer(dir, { chatTemplate: chatml })!.markGenerations(messages)).toBeUndefined();
    const unpaired = loadTokenizer(dir, { chatTemplate: 'a{% generation %}b' })!;
    expect(() => unpaired.markGenerations(messages)).toThrow('cannot be followed');
  });

  test('that are missing, broken or refuse the conversation say so', () => {
    put('tokenizer.json', bpe);
    expect(() => loadTokenizer(dir)!.applyChatTemplate(messages)).toThrow('the model has no chat template');
    put('chat_template.jinja', '{% for %}');
    expect(() => loadTokenizer(dir)!.applyChatTemplate(messages)).toThrow('the chat template cannot be read');
    put('chat_template.jinja', "{{ raise_exception('roles must alternate') }}");
    expect(() => loadTokenizer(dir)!.applyChatTemplate(messages)).toThrow('roles must alternate');
  });
});

test('a tokenizer.json that cannot be used is refused by name', () => {
  put('tokenizer.json', '{"model": ');
  expect(() => loadTokenizer(dir)).toThrow('tokenizer.json is not valid JSON');
  put('tokenizer.json', { model: {} });
  expect(() => loadTokenizer(dir)).toThrow('tokenizer.json cannot be used');
});
