/** Data files of every format and shape, through the commands that take them. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repositoryRoot, tinyLlama, Workplace } from './emloc.ts';
import { chatml, writeTextModel } from './text-model.ts';

const work = new Workplace();
const fixtures = join(repositoryRoot, 'tests', 'fixtures', 'data');
const parquet = join(fixtures, 'tiny-llama-train.parquet');
const goldenRows = readFileSync(join(tinyLlama, 'train.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { input_ids: number[]; labels: number[] });
let down: () => Promise<void>;
let textModel: string;

beforeAll(async () => {
  textModel = writeTextModel(work.path('text-model'), chatml);
  down = await work.up();
});
afterAll(async () => {
  await down();
  await work.dispose();
});

const put = (name: string, content: string): string => {
  writeFileSync(work.path(name), content);
  return work.path(name);
};
const cell = (value: unknown): string =>
  `"${(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('"', '""')}"`;
const csv = (columns: readonly string[], rows: readonly (readonly unknown[])[]): string =>
  [columns, ...rows].map((cells) => `${cells.map(cell).join(',')}\n`).join('');
const server = (): string[] => {
  const mesh = JSON.parse(readFileSync(join(work.home, 'mesh.json'), 'utf8')) as {
    addresses: { coordinator: string };
  };
  return ['--server', mesh.addresses.coordinator];
};

/** Questions with answers of one to three letters, to train on. */
const questions = Array.from({ length: 24 }, (_, i) => [`how much, is "${i}"?`, 'abc'.slice(0, 1 + (i % 3))]);

test('the same rows as JSON lines, Parquet and CSV train the same adapter, here and on a server', async () => {
  const files = {
    lines: join(tinyLlama, 'train.jsonl'),
    parquet,
    csv: put(
      'train.csv',
      csv(
        ['input_ids', 'labels'],
        goldenRows.map((row) => [row.input_ids, row.labels]),
      ),
    ),
  };
  const losses: Record<string, unknown> = {};
  const train = async (name: string, data: string, ...more: string[]): Promise<void> => {
    const log = work.path(`${name}.log`);
    const options = ['--max-steps', '4', '--log', log, '--output', work.path(`adapter-${name}`), ...more];
    await work.succeed('train', '--model', tinyLlama, '--data', data, ...options);
    losses[name] = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { loss: number }).loss);
  };
  for (const [name, data] of Object.entries(files)) await train(name, data);
  await train('csv-away', files.csv, ...server());
  await train('parquet-away', files.parquet, ...server());
  expect(losses['lines']).toHaveLength(4);
  for (const name of ['parquet', 'csv', 'csv-away', 'parquet-away'])
    expect(losses[name]).toEqual(losses['lines']);
});

test('a job on a CSV file whose columns are mapped; its adapter evaluated on the same rows in another format', async () => {
  const data = put('faq.csv', csv(['question', 'answer'], questions));
  const mapped = ['--prompt-column', 'question', '--completion-column', 'answer'];
  const tuned = work.path('tuned');
  await work.json(
    ...['finetune', '--model', textModel, '--data', data, ...mapped, '--ratio', '0.5', '--max-steps', '4'],
    ...['--output', tuned],
  );
  const evaluate = (file: string, ...more: string[]): Promise<Record<string, unknown>> =>
    work.json('evaluate', '--model', textModel, '--adapter', join(tuned, 'adapter'), '--data', file, ...more);
  const near = await evaluate(data, ...mapped);
  const pairs = questions.map(([prompt, completion]) => ({ prompt, completion }));
  const list = await evaluate(put('faq.json', JSON.stringify(pairs, null, 1)));
  const away = await evaluate(data, ...mapped, ...server());
  expect(near).toMatchObject({ rows: 24, tokens: 24 * 3, loss: expect.any(Number) });
  expect([list['loss'], away['loss']]).toEqual([near['loss'], near['loss']]);
  const everything = await evaluate(data, ...mapped, '--loss-on', 'all', '--no-exact-match');
  expect(everything['tokens']).toBeGreaterThan(24 * 10);
});

test('plain text calibrates, ShareGPT corrects: every command reads rows through the same place', async () => {
  const text = put('book.txt', `${readFileSync(join(repositoryRoot, 'LICENSE'), 'utf8').slice(0, 2950)}\n`);
  const grams = work.path('grams.safetensors');
  const calibrated = await work.json(
    ...['calibrate', '--model', textModel, '--data', text, '--max-seq-length', '100', '--output', grams],
  );
  // A byte a token, and the end of the text: rows of 100.
  const bytes = Buffer.byteLength(readFileSync(text, 'utf8').trimEnd().replace(/^\n+/, ''));
  expect(calibrated).toMatchObject({ tokens: bytes + 1, samples: Math.ceil((bytes + 1) / 100) });
  const emulator = work.path('emulator');
  await work.succeed(
    ...['compress', '--model', textModel, '--statistics', grams, '--ratio', '0.5', '--output', emulator],
  );
  const shared = questions.map(([question, answer]) => ({
    conversations: [
      { from: 'human', value: question },
      { from: 'gpt', value: answer },
    ],
  }));
  const data = put('chat.jsonl', shared.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const adapter = work.path('trained');
  await work.succeed(
    ...['train', '--emulator', emulator, '--data', data, '--loss-on', 'assistant', '--max-steps', '2'],
    ...['--eval-data', put('held.json', JSON.stringify(shared.slice(0, 4))), '--eval-steps', '1'],
    ...['--output', adapter],
  );
  const corrected = await work.json<{ candidates: unknown[] }>(
    ...['correct', '--model', textModel, '--emulator', emulator, '--adapter', adapter, '--eval-data', data],
    ...['--output', work.path('corrected')],
  );
  expect(corrected.candidates).toHaveLength(7);
});

test('data inspect: what a file is to SmolLM2, as a table with the learnt tokens in brackets, and as JSON', async () => {
  const { path: model } = await work.json<{ path: string }>('models', 'pull', 'smollm2-135m');
  const sections = join(repositoryRoot, 'tests', 'data', 'debian-sections', 'train.jsonl');
  const inspect = ['data', 'inspect', sections, '--model', model, '--max-seq-length', '128'];
  const { stdout } = await work.succeed(...inspect);
  expect(stdout).toMatch(/^format +jsonl\nshape +messages\ncolumns +messages\nrows +2000\n/);
  expect(stdout).toMatch(/168 rows are longer than 128 and will be cut/);
  expect(stdout).toMatch(/<\|im_start\|>assistant\n⟦net<\|im_end\|>⟧\n/);
  expect(stdout).toMatch(/65…128 +█+ 1799\n/);
  expect(await work.json(...inspect, '--row', '804')).toMatchObject({
    format: 'jsonl',
    shapes: { messages: 2000 },
    rows: 2000,
    tokens: 196_987,
    learnt_tokens: 4500,
    longest_row: { tokens: 184, place: `${sections}:804` },
    limits: { model: 8192, max_seq_length: 128, rows_over_model: 0, rows_over_max_seq_length: 168 },
    row: { place: `${sections}:804`, tokens: 184 },
    problems: [],
  });
});

test('data inspect counts what would be refused, and shows rows without a model', async () => {
  const rows = [
    ['a', 'b'],
    ['a', ''],
    ['a'.repeat(300), 'b'],
    ['a', ' '],
  ];
  const data = put('mixed.csv', csv(['prompt', 'completion'], rows));
  const found = await work.json('data', 'inspect', data, '--model', textModel);
  expect(found).toMatchObject({
    format: 'csv',
    rows: 4,
    limits: { model: 256, rows_over_model: 1 },
    problems: [{ reason: 'EMPTY_COMPLETION', rows: 2, first: `${data}:3: the completion is empty` }],
  });
  expect((await work.succeed('data', 'inspect', data)).stdout).toMatch(
    /^format +csv\nshape +prompt-completion/,
  );
  const beyond = await work.run('data', 'inspect', data, '--model', textModel, '--row', '9');
  expect(beyond).toMatchObject({ code: 2, stderr: expect.stringContaining('--row') });
});

test('rows that are too long are counted, and cut only where that is asked for', async () => {
  const rows = questions.map(([prompt, completion], i) => [prompt?.repeat(i < 3 ? 20 : 1), completion]);
  const data = put('long.csv', csv(['prompt', 'completion'], rows));
  const evaluate = ['evaluate', '--model', textModel, '--data', data];
  const refused = await work.run(...evaluate);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(
    /^error: --data: .*long\.csv:2: 3\d\d tokens, over the model's context of 256 \(3 of 24/m,
  );
  const cut = await work.run(...evaluate, '--max-seq-length', '256');
  expect(cut.stderr).toMatch(/nothing left to learn \(3 of 24 rows are so\)/);
  expect(await work.json(...evaluate, '--max-seq-length', '256', '--loss-on', 'all')).toMatchObject({
    rows: 24,
  });
});

test('packed text has no answers to choose among', async () => {
  const data = put('book.txt', 'It was a dark night.\n'.repeat(50));
  const refused = await work.run('evaluate', '--model', textModel, '--data', data, '--choices', 'a,b');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/^error: --data: .*book\.txt row 1: packed text has no prompt/m);
  expect(refused.stderr).not.toContain('mesh');
});

test('a model without a chat template refuses conversations, and takes one from a file', async () => {
  const bare = writeTextModel(work.path('bare-model'));
  const chats = join(fixtures, 'chats.parquet');
  const inspect = ['data', 'inspect', chats, '--model', bare];
  const refused = await work.run(...inspect);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /^error: <file>: .*chats\.parquet: .*the model has no chat template \(.*--chat-template/m,
  );
  const template = put('template.jinja', chatml);
  const shown = await work.succeed(...inspect, '--chat-template', template, '--loss-on', 'assistant');
  expect(shown.stdout).toContain(
    '<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n⟦first<|im_end|>⟧\n<|im_start|>user\nso?',
  );
  const missing = await work.run(...inspect, '--chat-template', work.path('none.jinja'));
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: --chat-template: /m) });
  const evaluated = await work.json(
    ...['evaluate', '--model', bare, '--data', chats, '--chat-template', template, '--loss-on', 'assistant'],
    ...server(),
  );
  expect(evaluated).toMatchObject({ rows: 2 });
});

test('a name that tells nothing has to be helped, and a wrong guess is refused', async () => {
  const nameless = work.path('nameless');
  copyFileSync(join(repositoryRoot, 'LICENSE'), nameless);
  const inspect = ['data', 'inspect', nameless, '--model', textModel];
  expect(await work.run(...inspect)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/neither its name nor its content tells .*--data-format/),
  });
  expect(await work.json(...inspect, '--data-format', 'text')).toMatchObject({ format: 'text' });
  expect(await work.run(...inspect, '--data-format', 'parquet')).toMatchObject({ code: 1 });
  expect(await work.run(...inspect, '--data-format', 'xml')).toMatchObject({ code: 2 });
});
