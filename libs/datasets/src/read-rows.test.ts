import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openDataset, type DatasetOptions } from './open-dataset.ts';
import type { Row } from './rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'emloc-rows-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const fileOf = (content: string | Uint8Array): string => {
  const path = join(folder, `${count++}.jsonl`);
  writeFileSync(path, content);
  return path;
};
const rowsOf = async (file: string, options?: DatasetOptions): Promise<Row[]> => {
  const rows: Row[] = [];
  for await (const { row } of (await openDataset(file, options)).rows()) rows.push(row);
  return rows;
};
const repository = join(import.meta.dirname, '../../..');

test('each shape is read, with its line, whatever the line ends are', async () => {
  const rows = await rowsOf(
    fileOf(
      '\uFEFF{"messages":[{"role":"user","content":"ü"}],"id":7}\r\n{"prompt":"a","completion":"b"}\n{"text":"t"}\n' +
        '{"input_ids":[1,2],"labels":[-100,2]}\n{"input_ids":[3]}\n' +
        '{"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"a"}]}',
    ),
  );
  expect(rows.map((row) => [row.line, row.kind])).toEqual([
    [1, 'messages'],
    [2, 'completion'],
    [3, 'text'],
    [4, 'tokens'],
    [5, 'tokens'],
    [6, 'messages'],
  ]);
  expect(rows[0]).toMatchObject({ messages: [{ role: 'user', content: 'ü' }] });
  expect(rows[3]).toMatchObject({ inputIds: [1, 2], labels: [-100, 2] });
  expect(rows[4]).toMatchObject({ inputIds: [3], labels: [3] });
  expect(rows[5]).toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant', content: 'a' }] });
});

const good = '{"text":"t"}\n';
const bad: [string, string | Uint8Array, string, RegExp][] = [
  ['an empty line', `${good}\n${good}`, ':2', /the line is empty/],
  ['an empty line at the end', `${good}\n`, ':2', /the line is empty/],
  ['broken JSON', `${good}${good}{"text":\n`, ':3', /not JSON/],
  ['a list', '[1]\n', ':1', /not a JSON object/],
  [
    'fields of no shape',
    '{"question":"q","answer":"a"}\n',
    ':1',
    /no known shape in the fields question, answer/,
  ],
  ['a prompt without a completion', '{"prompt":"a"}\n', ':1', /completion is missing/],
  ['text that is a number', '{"text":5}\n', ':1', /text is not text/],
  ['no messages', '{"messages":[]}\n', ':1', /messages is not a list/],
  ['a message without content', '{"messages":[{"role":"user"}]}\n', ':1', /messages\[0\] lacks/],
  [
    'content in parts that are no text',
    '{"messages":[{"role":"user","content":[{"type":"image"}]}]}\n',
    ':1',
    /parts that are not text/,
  ],
  ['labels of another length', '{"input_ids":[1,2],"labels":[1]}\n', ':1', /1 labels for 2 input_ids/],
  ['ids that are not whole', '{"input_ids":[1,2.5]}\n', ':1', /input_ids\[1\] is not a whole number/],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d, 0x0a]), ':1', /not UTF-8/],
];

test.each(bad)('%s is an error with file and line', async (_what, content, line, message) => {
  const file = fileOf(content);
  const opened = rowsOf(file);
  await expect(opened).rejects.toThrow(message);
  await expect(opened).rejects.toMatchObject({
    field: `${file}${line}`,
    code: 'INVALID_ARGUMENT',
    mend: expect.any(String),
  });
});

test('an empty file, a folder and a missing file are told apart', async () => {
  await expect(rowsOf(fileOf(''))).rejects.toMatchObject({ reason: 'EMPTY_DATASET' });
  await expect(openDataset(folder)).rejects.toMatchObject({ reason: 'NOT_A_FILE' });
  await expect(openDataset(join(folder, 'none'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('lines longer than a read of the file are put together', async () => {
  const text = 'x'.repeat(300_000);
  const rows = await rowsOf(fileOf(`${JSON.stringify({ text })}\n${JSON.stringify({ text: `${text}y` })}\n`));
  expect(rows.map((row) => row.kind === 'text' && row.text.length)).toEqual([300_000, 300_001]);
});

test('the data sets of this repository are read whole', async () => {
  expect(await rowsOf(join(repository, 'tests/data/debian-sections/train.jsonl'))).toHaveLength(2000);
  const tiny = join(repository, 'tests/fixtures/tiny-llama');
  const rows = await rowsOf(join(tiny, 'train.jsonl'));
  const golden = JSON.parse(readFileSync(join(tiny, 'train.json'), 'utf8')) as {
    batches: { ids: number[]; labels: number[] }[][];
  };
  expect(rows.map((row) => row.kind === 'tokens' && { ids: row.inputIds, labels: row.labels })).toEqual(
    golden.batches.flat(),
  );
});
