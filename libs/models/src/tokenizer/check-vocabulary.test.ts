import { expect, test } from 'vitest';
import { openModel } from '../directory/open-model.ts';
import { ModelFolder } from '../testing/model-folder.ts';

const vocabulary = (size: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: size }, (_, id) => [`token ${id}`, id]));
const added = (id: number, content: string) => ({ id, content, special: true });

/** The model's vocabulary. */
const V = 48;

function open(tokenizer: Record<string, unknown>, config: Record<string, unknown> = {}): unknown {
  using folder = new ModelFolder({ vocab_size: V }).weights();
  folder.json('tokenizer.json', { model: { vocab: vocabulary(V) }, ...tokenizer });
  folder.json('tokenizer_config.json', config);
  return openModel(folder.dir);
}

test.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
  ['as large as the model', {}],
  ['smaller, as of padded models', { model: { vocab: vocabulary(V - 8) } }],
  ['as unigram', { model: { vocab: Array.from({ length: V }, (_, id) => [`${id}`, -id]) } }],
  ['with an added token beyond the model that nothing uses', { added_tokens: [added(V, '<picture>')] }],
  ['that pads with a token beyond the model', { added_tokens: [added(V, '<pad>')] }, { pad_token: '<pad>' }],
])('a tokenizer %s is taken', (_, tokenizer, config) => {
  expect(open(tokenizer, config)).toMatchObject({ config: { vocabSize: V } });
});

const marks = { added_tokens: [added(V, '<s>'), added(V + 1, '<|end|>')] };
test.each<[string, Record<string, unknown>, number, Record<string, unknown>?]>([
  ['larger than the model', { model: { vocab: vocabulary(V + 1) } }, V],
  ['larger as unigram', { model: { vocab: Array.from({ length: V + 3 }, (_, id) => [`${id}`, 0]) } }, V + 2],
  ['whose end-of-text token is beyond the model', marks, V + 1, { eos_token: { content: '<|end|>' } }],
  [
    'that puts a token beyond the model before each text',
    {
      ...marks,
      post_processor: { type: 'Sequence', processors: [{ special_tokens: { '<s>': { ids: [V] } } }] },
    },
    V,
  ],
  [
    'with a chat template of tokens beyond the model',
    marks,
    V + 1,
    { chat_template: '{{ messages[0].content }}<|end|>' },
  ],
])('a tokenizer %s is refused when the model is opened', (_, tokenizer, highest, config) => {
  expect(() => open(tokenizer, config)).toThrow(
    expect.objectContaining({
      reason: 'VOCABULARY_TOO_SMALL',
      field: 'tokenizer.json',
      value: String(highest),
      message: expect.stringContaining(`vocab_size is ${V}`),
      mend: expect.stringContaining('resize_token_embeddings'),
    }),
  );
});

test('what is remembered of a tokenizer goes when the file changes', () => {
  using folder = new ModelFolder({ vocab_size: V }).weights();
  folder.json('tokenizer.json', { model: { vocab: vocabulary(V + 1) } });
  expect(() => openModel(folder.dir)).toThrow('vocab_size');
  folder.json('tokenizer.json', { model: { vocab: vocabulary(V) } });
  expect(openModel(folder.dir).config.vocabSize).toBe(V);
});
