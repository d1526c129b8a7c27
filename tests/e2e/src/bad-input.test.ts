/** Bad input is refused before any work: no mesh is started, nothing is written, and the message helps. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { run } from '@emloc/cli';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { tinyLlama } from './emloc.ts';
import { writeTrainingData } from './golden.ts';

const dir = mkdtempSync(join(tmpdir(), 'emloc-bad-input-'));
const home = join(dir, 'home');
const output = join(dir, 'output');
const data = join(dir, 'train.jsonl');
let before: string[] = [];

beforeAll(() => writeTrainingData(data));
beforeEach(() => void (before = []));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function emloc(...args: string[]) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  before = readdirSync(dir).sort();
  const code = await run(args, {
    streams: { stdout, stderr },
    environment: { ...process.env, EMLOC_HOME: home },
  });
  const text = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Refused with this code and these words, and nothing was left behind. */
async function refuses(args: readonly string[], code: number, ...words: readonly string[]): Promise<void> {
  const outcome = await emloc(...args);
  expect(outcome.stdout).toBe('');
  expect(outcome.stderr).toMatch(/^error: /);
  for (const word of words) expect(outcome.stderr).toContain(word);
  expect(outcome.stderr.trim()).toMatch(/\)$/);
  expect(outcome.code).toBe(code);
  expect(existsSync(home)).toBe(false);
  expect(readdirSync(dir).sort()).toEqual(before);
}

const finetune = (options: Record<string, string>): string[] => [
  'finetune',
  ...Object.entries({ '--model': tinyLlama, '--data': data, '--output': output, ...options }).flat(),
];

/** A copy of the fixture to spoil. */
function model(name: string, spoil: (directory: string) => void): string {
  const directory = join(dir, name);
  mkdirSync(directory);
  for (const file of ['config.json', 'model.safetensors'])
    copyFileSync(join(tinyLlama, file), join(directory, file));
  spoil(directory);
  return directory;
}

function dataFile(name: string, ...lines: readonly string[]): string {
  const path = join(dir, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

test('a model that is not there', () =>
  refuses(finetune({ '--model': join(dir, 'nowhere') }), 1, '--model', 'nowhere', 'check the path'));

test('a directory that is no model', () =>
  refuses(finetune({ '--model': tmpdir() }), 1, '--model', 'config.json'));

test('an unsupported architecture: the supported ones are listed', async () => {
  const bert = model('bert', (at) =>
    writeFileSync(join(at, 'config.json'), JSON.stringify({ model_type: 'bert' })),
  );
  await refuses(finetune({ '--model': bert }), 1, '--model', 'bert', 'llama');
});

test('truncated safetensors', async () => {
  const cut = model('cut', (at) => truncateSync(join(at, 'model.safetensors'), 50_000));
  await refuses(finetune({ '--model': cut }), 1, '--model', 'model.safetensors');
});

test.each([
  [
    'offsets',
    (header: Header) =>
      void (header['model.norm.weight'] = { ...header['model.norm.weight']!, data_offsets: [0, 4] }),
  ],
  [
    'dtype',
    (header: Header) =>
      void (header['model.norm.weight'] = { ...header['model.norm.weight']!, dtype: 'F33' }),
  ],
  [
    'shape',
    (header: Header) => void (header['model.norm.weight'] = { ...header['model.norm.weight']!, shape: [63] }),
  ],
])('safetensors that lie about %s', async (what, lie) => {
  const lying = model(`lying-${what}`, (at) => rewriteHeader(join(at, 'model.safetensors'), lie));
  await refuses(finetune({ '--model': lying }), 1, '--model', 'model.norm.weight');
});

test('data that is not there', () =>
  refuses(finetune({ '--data': join(dir, 'no.jsonl') }), 1, '--data', 'no.jsonl'));

test.each([
  ['an empty line', '', ':2'],
  ['a malformed line', '{"input_ids": [1, 2', ':2'],
  ['a line of no known shape', '{"question": "?"}', ':2'],
  ['labels of another length', '{"input_ids": [1, 2, 3], "labels": [1, 2]}', ':2'],
  ['a token id beyond the vocabulary', '{"input_ids": [1, 256, 3]}', '256'],
  ['a negative token id', '{"input_ids": [1, -3, 3]}', '-3'],
  [
    "a sequence over the model's limit",
    JSON.stringify({ input_ids: Array.from({ length: 257 }, () => 1) }),
    '257',
  ],
])('data with %s: file and line are named', async (what, line, word) => {
  const bad = dataFile(`${what.replace(/\W/g, '-')}.jsonl`, '{"input_ids": [1, 2, 3]}', line);
  await refuses(finetune({ '--data': bad }), 1, '--data', `${bad}:2`, word);
  await refuses(finetune({ '--eval-data': bad }), 1, '--eval-data', `${bad}:2`);
});

test('an empty data file', () =>
  refuses(finetune({ '--data': dataFile('empty.jsonl') }), 1, '--data', 'empty.jsonl'));

test('rows without a label teach nothing, and held-out rows of which none has one measure nothing', async () => {
  const bare = '{"input_ids": [1, 2, 3], "labels": [-100, -100, -100]}';
  const some = dataFile('some-labels.jsonl', '{"input_ids": [1, 2, 3]}', bare);
  const none = dataFile('no-labels.jsonl', bare, bare);
  const words = ['carries a loss', 'labels other than -100'];
  const train = ['train', '--model', tinyLlama, '--output', output, '--data'];
  await refuses(finetune({ '--data': some }), 1, '--data', `${some}:2`, ...words);
  await refuses([...train, some], 1, '--data', `${some}:2`, ...words);
  // On another machine, the model is not looked at; the rows are.
  await refuses([...train.with(2, 'models/far'), some, '--server', 'far:7600'], 1, `${some}:2`, ...words);
  await refuses(finetune({ '--eval-data': none }), 1, '--eval-data', none, ...words);
  await refuses(['evaluate', '--model', tinyLlama, '--data', none], 1, '--data', none, ...words);
});

test('too few rows to hold some out', () =>
  refuses(
    finetune({ '--data': dataFile('one-row.jsonl', '{"input_ids": [1, 2, 3]}') }),
    1,
    '--data',
    'one-row.jsonl',
    '--eval-data',
  ));

test('text rows for a model without a tokenizer', () =>
  refuses(finetune({ '--data': dataFile('text.jsonl', '{"text": "hello"}') }), 1, '--data', 'tokenizer'));

test.each(['0', '-0.5', '1.5', 'half'])('ratio %s', (ratio) =>
  refuses(finetune({ '--ratio': ratio }), 2, '--ratio', ratio),
);

test('a ratio that leaves rank 0: the smallest that works is told', () =>
  refuses(finetune({ '--ratio': '0.01' }), 2, '--ratio', '0.01', 'rank 0', 'at least 0.0'));

test('ratios whose pattern matches nothing, is broken, or whose ratio is out of range', async () => {
  const ratios = (name: string, spec: object): string => dataFile(name, JSON.stringify(spec));
  await refuses(finetune({ '--ratios': ratios('none.json', { q_proj: 0.5 }) }), 2, '--ratios', 'q_proj');
  await refuses(finetune({ '--ratios': ratios('broken.json', { '(': 0.5 }) }), 2, '--ratios', '(');
  await refuses(finetune({ '--ratios': ratios('range.json', { '.*': 2 }) }), 1, '--ratios', '2');
  await refuses(finetune({ '--ratios': dataFile('no.json', '[') }), 1, '--ratios', 'JSON');
  await refuses(finetune({ '--ratio': '0.5', '--ratios': data }), 2, '--ratios', 'both');
});

test('statistics that are not there, or are no Gram matrices', async () => {
  const compress = (statistics: string): string[] => [
    ...['compress', '--model', tinyLlama, '--ratio', '0.5', '--output', output],
    ...['--statistics', statistics],
  ];
  await refuses(compress(join(dir, 'none')), 1, '--statistics', 'no such file');
  await refuses(compress(join(tinyLlama, 'model.safetensors')), 1, '--statistics', 'gram_of');
  await refuses(compress(data), 1, '--statistics', 'train.jsonl');
});

test('target modules that match nothing: what the model has is told', async () => {
  await refuses(finetune({ '--target-modules': 'q_proj,qkv' }), 2, '--target-modules', 'qkv', 'q_proj');
  await refuses(finetune({ '--target-modules': '.*\\.attention\\..*' }), 2, '--target-modules', 'attention');
  await refuses(finetune({ '--target-modules': '(' }), 2, '--target-modules', 'regular expression');
});

test.each([
  ['tiny-gpt2', 'q_proj,v_proj', 'q_proj', 'c_attn, c_proj, c_fc'],
  ['tiny-phi3', 'o_proj,gate_proj', 'gate_proj', 'qkv_proj, o_proj, gate_up_proj, down_proj'],
  ['tiny-qwen3-moe', 'qkv_proj', 'qkv_proj', 'q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj'],
])('target modules of another architecture than %s', async (fixture, typed, wrong, has) => {
  const at = { '--model': join(tinyLlama, '..', fixture), '--target-modules': typed };
  const words = [
    '--target-modules',
    `${wrong} matches no linear`,
    `this model has ${has}; or use all-linear`,
  ];
  await refuses(finetune(at), 2, ...words);
});

test('a tokenizer of more tokens than the model has', async () => {
  const vocab = Object.fromEntries(Array.from({ length: 300 }, (_, id) => [`t${id}`, id]));
  const small = model('small-vocabulary', (at) =>
    writeFileSync(join(at, 'tokenizer.json'), JSON.stringify({ added_tokens: [], model: { vocab } })),
  );
  const words = ['--model', 'ids up to 299', 'vocab_size is 256', 'resize_token_embeddings'];
  await refuses(finetune({ '--model': small }), 1, ...words);
  await refuses(['generate', '--model', small, '--prompt', 'a'], 1, ...words);
});

test('an adapter for other shapes, or none at all', async () => {
  const evaluate = (adapter: string): string[] => [
    'evaluate',
    '--model',
    tinyLlama,
    '--data',
    data,
    '--adapter',
    adapter,
  ];
  await refuses(evaluate(join(dir, 'nowhere')), 1, '--adapter', 'nowhere');
  await refuses(evaluate(tinyLlama), 1, '--adapter', 'adapter_config.json');
  const narrow = join(dir, 'narrow');
  cpSync(join(tinyLlama, 'adapter-uncorrected'), narrow, { recursive: true });
  const config = JSON.parse(readFileSync(join(narrow, 'adapter_config.json'), 'utf8'));
  writeFileSync(join(narrow, 'adapter_config.json'), JSON.stringify({ ...config, r: 3 }));
  await refuses(evaluate(narrow), 1, '--adapter', '3');
});

test('an adapter to start from that does not agree with r', async () => {
  const adapter = join(tinyLlama, 'adapter-uncorrected');
  await refuses(
    [
      'train',
      '--model',
      tinyLlama,
      '--data',
      data,
      '--output',
      output,
      '--adapter-init',
      adapter,
      '--lora-r',
      '8',
    ],
    1,
    '--adapter-init',
    'lora_r 4',
  );
  await refuses(finetune({ '--adapter-init': adapter, '--lora-r': '8' }), 1, '--adapter-init', 'lora_r 4');
});

test('an output that exists and is not empty', async () => {
  const full = join(dir, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'precious.txt'), '');
  await refuses(finetune({ '--output': full }), 1, '--output', full, '--overwrite');
  await refuses([...finetune({ '--output': full }), '--overwrite'], 1, '--output', 'emloc did not write');
  expect(readdirSync(full)).toEqual(['precious.txt']);
});

test('a model given as an emulator, and no weights at all', async () => {
  await refuses(['evaluate', '--emulator', tinyLlama, '--data', data], 1, '--emulator', 'not an emulator');
  await refuses(['evaluate', '--data', data], 2, '--model');
  await refuses(
    ['evaluate', '--model', tinyLlama, '--emulator', tinyLlama, '--data', data],
    2,
    '--emulator',
    'both',
  );
});

test('an output or a log that cannot be written', async () => {
  await refuses(finetune({ '--output': join(data, 'tuned') }), 1, '--output', 'tuned', 'cannot be written');
  await refuses(finetune({ '--log': join(data, 'log.jsonl') }), 1, '--log', 'log.jsonl', 'cannot be written');
});

test('choices that are no list of answers, or do not fit the rows', async () => {
  const evaluate = (choices: string): string[] => [
    ...['evaluate', '--model', tinyLlama, '--data', data, '--choices', choices],
  ];
  await refuses(evaluate('alone'), 2, '--choices', 'alone');
  await refuses(evaluate('[[7], "x"]'), 2, '--choices', 'token ids');
  await refuses(evaluate('yes,no'), 1, `${data}:1`, 'pre-tokenized');
  await refuses(evaluate('[[7], [8]]'), 1, `${data}:1`, 'not a choice');
});

test('options that need another', async () => {
  const train = ['train', '--model', tinyLlama, '--data', data, '--output', output];
  await refuses([...train, '--eval-steps', '5'], 2, '--eval-data');
  await refuses([...train, '--early-stopping-patience', '5'], 2, '--eval-steps');
  await refuses(['compress', '--model', tinyLlama, '--ratio', '0.5', '--output', output], 2, '--statistics');
  await refuses(finetune({ '--max-steps': '10', '--refine-steps': '11' }), 2, '--refine-steps', '11');
  await refuses(finetune({ '--early-stopping-patience': '5' }), 2, '--eval-steps');
  await refuses(finetune({ '--id': '../x' }), 2, '--id', '../x');
});

test('a server that is not there', () =>
  refuses(['jobs', 'list', '--server', '127.0.0.1:9'], 1, '127.0.0.1:9'));

interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] } | undefined;
}

function rewriteHeader(path: string, change: (header: Header) => void): void {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Header;
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
}
