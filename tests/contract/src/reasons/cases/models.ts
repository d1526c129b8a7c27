/** Model directories that cannot be used. Scores open a model in a process that is there already: cheap. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, inference, training, type Call, type Case } from '../case.ts';
import {
  chatTemplate,
  floats,
  rawSafetensors,
  tokenizer,
  tokenizerFiles,
  trainRows,
  type FileTensor,
  type Files,
  type Source,
} from '../files.ts';

const score = (model: Source): Call => call(`${inference}/Score`, { model, rows: [{ ids: [1, 2] }] });
const first = 'model.layers.0.self_attn.q_proj.weight';
const changed =
  (name: string, change: (tensor: FileTensor) => FileTensor[]) =>
  (all: FileTensor[]): FileTensor[] =>
    all.flatMap((tensor) => (tensor.name === name ? change(tensor) : [tensor]));

type Row = readonly [
  reason: string,
  code: Case['code'],
  field: string | null,
  model: Source,
  value?: string,
  about?: string,
];

export function modelCases(files: Files): Case[] {
  const file = join(files.folder({ 'a.gguf': 'GGUF' }), 'a.gguf');
  const noWeights = files.folder();
  writeFileSync(join(noWeights, 'config.json'), JSON.stringify(configOf(files)));
  const cut = files.model({}, { 'model.safetensors': new Uint8Array(4) });
  const odd = (dtype: string): Uint8Array =>
    rawSafetensors({ [first]: { dtype, shape: [64, 64], data_offsets: [0, 4096] } }, 4096);
  const sharded = files.model(
    {},
    { 'model.safetensors.index.json': { weight_map: { a: 'gone.safetensors' } } },
  );
  const small = {
    ...tokenizer,
    model: { ...tokenizer.model, vocab: { ...tokenizer.model.vocab, last: 256 } },
  };
  const table: readonly Row[] = [
    ['NOT_A_MODEL_DIRECTORY', 'INVALID_ARGUMENT', 'model', { path: file }, file],
    ['NO_WEIGHTS', 'NOT_FOUND', 'model', { path: noWeights }, noWeights],
    ['UNSUPPORTED_ARCHITECTURE', 'UNIMPLEMENTED', 'model_type', files.model({ model_type: 'bert' }), 'bert'],
    [
      'UNSUPPORTED_ROPE_SCALING',
      'UNIMPLEMENTED',
      'rope_parameters.rope_type',
      files.model({ rope_parameters: { rope_type: 'spiral', factor: 2, rope_theta: 10_000 } }),
      'spiral',
    ],
    [
      'QUANTIZED_MODEL',
      'UNIMPLEMENTED',
      'quantization_config',
      files.model({ quantization_config: { quant_method: 'gptq' } }),
      'gptq',
    ],
    [
      'UNSUPPORTED_DTYPE',
      'UNIMPLEMENTED',
      first,
      files.model({}, { 'model.safetensors': odd('F8_E4M3') }),
      'F8_E4M3',
    ],
    [
      'UNSUPPORTED_DTYPE',
      'INVALID_ARGUMENT',
      first,
      files.model(
        {},
        {},
        changed(first, ({ name, shape }) => [{ name, shape, dtype: 'u8', bytes: new Uint8Array(64 * 64) }]),
      ),
      'u8',
      'of a type that weights may not have',
    ],
    ['BAD_MODEL_CONFIG', 'INVALID_ARGUMENT', 'hidden_size', files.model({ hidden_size: -1 }), '-1'],
    ['BAD_JSON_FILE', 'INVALID_ARGUMENT', 'config.json', files.model({}, { 'config.json': '{' })],
    ['BAD_WEIGHT_INDEX', 'INVALID_ARGUMENT', 'model.safetensors.index.json', sharded, 'gone.safetensors'],
    ['BAD_SAFETENSORS', 'DATA_LOSS', join(cut.path, 'model.safetensors'), cut, '4'],
    [
      'BAD_TENSOR_SHAPE',
      'INVALID_ARGUMENT',
      first,
      files.model(
        {},
        {},
        changed(first, (tensor) => [{ ...tensor, shape: [32, 128] }]),
      ),
      '[32, 128]',
    ],
    [
      'MISSING_TENSOR',
      'INVALID_ARGUMENT',
      first,
      files.model(
        {},
        {},
        changed(first, () => []),
      ),
      'absent',
    ],
    [
      'DUPLICATE_TENSOR',
      'INVALID_ARGUMENT',
      first,
      files.model(
        {},
        {},
        changed(first, (tensor) => [tensor, { ...tensor, name: tensor.name.slice(6) }]),
      ),
    ],
    [
      'VOCABULARY_TOO_SMALL',
      'INVALID_ARGUMENT',
      'tokenizer.json',
      files.model({}, { 'tokenizer.json': small }),
      '256',
    ],
    [
      'NOT_FINITE',
      'FAILED_PRECONDITION',
      'model',
      files.model(
        {},
        {},
        changed('model.norm.weight', ({ name }) => [floats(name, new Array<number>(64).fill(NaN))]),
      ),
      undefined,
      'of a model, in generation',
    ],
  ];
  return [
    ...table.map(([reason, code, field, model, value, about]) => ({
      reason,
      ...(about === undefined ? {} : { about }),
      code,
      field,
      ...(value === undefined ? {} : { value }),
      call:
        reason === 'NOT_FINITE'
          ? call(`${inference}/Generate`, { model, prompts: [{ tokens: { ids: [1, 2] } }] })
          : score(model),
    })),
    ...tokenizerCases(files),
  ];
}

function tokenizerCases(files: Files): Case[] {
  const bad = files.model({}, { 'tokenizer.json': { model: { type: 'BPE' } } });
  const conversation = { conversation: { messages: [{ role: 'user', content: 'hi' }] } };
  const talk = (model: Source): Call => call(`${inference}/Generate`, { model, prompts: [conversation] });
  const refusing = files.model({}, tokenizerFiles("{{ raise_exception('only systems speak') }}"));
  const chat = files.rows(
    '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n',
  );
  const plan = (template: string, more: object = {}): Call =>
    call(`${training}/PlanTraining`, {
      model: files.model({}, tokenizerFiles(chatTemplate)),
      dataset: { ...chat, chatTemplate: template, ...more },
    });
  const opened = '{% for m in messages %}{% generation %}{{ m.content }}{% endfor %}';
  return [
    {
      reason: 'NO_TOKENIZER',
      code: 'FAILED_PRECONDITION',
      field: 'texts',
      call: call(`${inference}/Score`, { model: files.model(), texts: ['hello'] }),
    },
    {
      reason: 'BAD_TOKENIZER',
      code: 'INVALID_ARGUMENT',
      field: 'tokenizer.json',
      value: join(bad.path, 'tokenizer.json'),
      call: call(`${inference}/Score`, { model: bad, texts: ['hello'] }),
    },
    {
      reason: 'NO_CHAT_TEMPLATE',
      code: 'FAILED_PRECONDITION',
      field: 'chat_template',
      call: talk(files.model({}, tokenizerFiles())),
    },
    {
      reason: 'NO_CHAT_TEMPLATE',
      about: 'rows',
      code: 'FAILED_PRECONDITION',
      field: 'chat_template',
      call: call(`${training}/PlanTraining`, { model: files.model({}, tokenizerFiles()), dataset: chat }),
    },
    {
      reason: 'CHAT_TEMPLATE_REFUSED',
      code: 'INVALID_ARGUMENT',
      field: 'chat_template',
      call: talk(refusing),
    },
    {
      reason: 'BAD_CHAT_TEMPLATE',
      code: 'INVALID_ARGUMENT',
      field: 'chat_template',
      call: plan('{% for m in messages %}'),
    },
    {
      reason: 'BAD_GENERATION_MARKS',
      code: 'INVALID_ARGUMENT',
      field: 'chat_template',
      call: plan(opened, { lossOn: 'LOSS_ON_ASSISTANT' }),
    },
    {
      reason: 'TEMPLATE_REFUSED',
      code: 'INVALID_ARGUMENT',
      field: `${chat.source.path}:1`,
      call: call(`${training}/PlanTraining`, { model: refusing, dataset: chat }),
    },
    {
      reason: 'TEMPLATE_NOT_PREFIX',
      code: 'INVALID_ARGUMENT',
      field: `${chat.source.path}:1`,
      call: plan('{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}'),
    },
    {
      reason: 'FIELD_MISSING',
      about: 'of a prompt',
      code: 'INVALID_ARGUMENT',
      field: 'prompts[0].text',
      call: call(`${inference}/Generate`, { model: { path: trainRows.source.path }, prompts: [{}] }),
    },
  ];
}

function configOf(files: Files): object {
  return JSON.parse(files.text(files.model(), 'config.json')) as object;
}
