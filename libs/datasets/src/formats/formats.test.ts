import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ByteTokenizer } from '../byte-tokenizer.test-helper.ts';
import { openDataset, type DatasetOptions } from '../open-dataset.ts';
import { fileOf, parsedOf } from '../temporary-files.test-helper.ts';
import { tokenizeRows } from '../tokenize-rows.ts';
import { detectFormat } from './format.ts';

const fixtures = join(import.meta.dirname, '../../../../tests/fixtures/data');
const rows = JSON.parse(readFileSync(join(fixtures, 'rows.json'), 'utf8')) as {
  pairs: { prompt: string; completion: string; note: string }[];
  chats: { messages: object[] }[];
  tokens: { input_ids: number[]; labels: number[] }[];
};
type Pair = (typeof rows.pairs)[number];

const lines = (list: readonly object[]): string => list.map((row) => `${JSON.stringify(row)}\n`).join('');
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const delimited = (list: readonly Pair[], separator: string, end = '\n'): string =>
  [['prompt', 'completion', 'note'], ...list.map((row) => Object.values(row).map(quoted))]
    .map((cells) => cells.join(separator) + end)
    .join('');

const tokenizer = new ByteTokenizer();
const idsOf = async (file: string, options?: DatasetOptions): Promise<number[][]> =>
  tokenizeRows(
    (await parsedOf(file, options)).map(({ row }) => row),
    tokenizer,
  ).map(({ inputIds }) => [...inputIds]);

describe('the same rows have the same tokens', () => {
  const written: [string, () => string | Uint8Array][] = [
    ['a.jsonl', () => lines(rows.pairs)],
    ['a.ndjson', () => lines(rows.pairs).replaceAll('\n', '\r\n')],
    ['a.json', () => JSON.stringify(rows.pairs)],
    ['pretty.json', () => JSON.stringify(rows.pairs, null, 2)],
    ['lines.json', () => lines(rows.pairs)],
    ['within.json', () => JSON.stringify({ version: 1, data: rows.pairs }, null, 2)],
    ['within-one-line.json', () => JSON.stringify({ version: 1, data: rows.pairs })],
    ['within-without-name', () => `${JSON.stringify({ train: rows.pairs })}\n`],
    ['a.csv', () => delimited(rows.pairs, ',')],
    ['mark.csv', () => `\uFEFF${delimited(rows.pairs, ',', '\r\n')}`],
    ['a.tsv', () => delimited(rows.pairs, '\t')],
    ['a.jsonl.gz', () => gzipSync(lines(rows.pairs))],
    ['a.csv.gz', () => gzipSync(delimited(rows.pairs, ','))],
    // As a file has it that was sent by its digest.
    ['named-by-nothing-1', () => lines(rows.pairs)],
    ['named-by-nothing-2', () => JSON.stringify(rows.pairs)],
    ['named-by-nothing-3', () => delimited(rows.pairs, ',')],
    ['named-by-nothing-4', () => delimited(rows.pairs, '\t')],
    ['named-by-nothing-5', () => gzipSync(delimited(rows.pairs, '\t'))],
  ];
  const expected = tokenizeRows(
    rows.pairs.map(({ prompt, completion }) => ({
      kind: 'completion',
      prompt,
      completion,
      file: '',
      line: 1,
    })),
    tokenizer,
  ).map(({ inputIds }) => [...inputIds]);

  test.each(written)('in %s', async (name, content) => {
    expect(await idsOf(fileOf(name, content()))).toEqual(expected);
  });

  test.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])('in Parquet, %s', async (codec) => {
    const file = join(fixtures, `pairs.${codec}.parquet`);
    expect(await idsOf(file)).toEqual(expected);
    expect(await idsOf(fileOf('no-name', readFileSync(file)))).toEqual(expected);
  });

  test('an object with its list in one line that is longer than what is looked at', async () => {
    const many = Array.from({ length: 2000 }, (_, i) => ({ prompt: `p${i} `, completion: 'c'.repeat(60) }));
    const file = fileOf('a.json', JSON.stringify({ version: '1.0', source: null, data: many }));
    expect(await parsedOf(file)).toHaveLength(2000);
    const wide = { id: 1, text: 'a'.repeat(70_000) };
    expect(await parsedOf(fileOf('lines.json', lines([wide, wide])))).toHaveLength(2);
  });

  test('conversations in Parquet, as JSON in a cell, and in JSON lines', async () => {
    const parsed = await parsedOf(join(fixtures, 'chats.parquet'));
    const same = await parsedOf(fileOf('a.jsonl', lines(rows.chats)));
    const cells = rows.chats.map(({ messages }) => quoted(JSON.stringify(messages)));
    const inCells = await parsedOf(fileOf('a.csv', `messages\n${cells.join('\n')}\n`));
    const messagesOf = (list: typeof parsed): unknown =>
      list.map(({ row }) => row.kind === 'messages' && row.messages);
    expect(messagesOf(parsed)).toEqual(messagesOf(same));
    expect(messagesOf(inCells)).toEqual(messagesOf(same));
  });

  test('token ids in Parquet (64-bit), as lists in cells, and in JSON lines', async () => {
    const cells = rows.tokens.map(
      (row) => `"${JSON.stringify(row.input_ids)}","${JSON.stringify(row.labels)}"`,
    );
    for (const file of [
      join(fixtures, 'tokens.parquet'),
      fileOf('a.jsonl', lines(rows.tokens)),
      fileOf('a.csv', `input_ids,labels\n${cells.join('\n')}`),
    ]) {
      const read = (await parsedOf(file)).map(({ row }) => row);
      expect(
        read.map((row) => row.kind === 'tokens' && { input_ids: row.inputIds, labels: row.labels }),
      ).toEqual(rows.tokens);
    }
  });
});

test('a row of JSON larger than what is read at once is put together, and its line is known', async () => {
  const text = `{"a": ["x", "]}"]} \\ "`.repeat(100_000);
  const list = [{ text: 'one' }, { text }, { text: 'three' }];
  const parsed = await parsedOf(
    fileOf('a.json', `\n\n[${list.map((row) => JSON.stringify(row)).join(',\n')}]\n`),
  );
  expect(parsed.map(({ row }) => [row.line, row.kind === 'text' && row.text])).toEqual([
    [3, 'one'],
    [4, text],
    [5, 'three'],
  ]);
});

const twoPairs = 'prompt,completion\na,b\n';
const mistakes: [string, string, string | Uint8Array, string, RegExp][] = [
  ['a list that ends early', 'a.json', '[{"text": "a"},\n{"text": "b"', ':2', /the list does not end/],
  ['a list with a hole', 'a.json', '[{"text": "a"},\n,{"text": "b"}]', ':2', /nothing between commas/],
  ['something after a list', 'a.json', '[{"text": "a"}]\n{"text": "b"}', ':2', /something follows the list/],
  ['an element that is no object', 'a.json', '[{"text": "a"},\n 7]', ':2', /not a JSON object/],
  ['an element that is no JSON', 'a.json', '[{"text": "a"},\n {"text": }]', ':2', /not JSON/],
  ['a quote that does not end', 'a.csv', `${twoPairs}c,"d\n`, ':3', /quote/i],
  ['a line with too many cells', 'a.csv', `${twoPairs}c,d,e\n`, ':3', /columns|length/i],
  ['a row of no shape in CSV', 'a.csv', 'question,answer\na,b\n', ':2', /no known shape/],
  [
    'a row of no shape in JSON',
    'a.json',
    '[{"text": "a"},\n{"q": 1}]',
    ':2',
    /no known shape in the fields q:/,
  ],
];

test.each(mistakes)('%s is an error with file and line', async (_what, name, content, line, message) => {
  const file = fileOf(name, content);
  const read = parsedOf(file);
  await expect(read).rejects.toThrow(message);
  await expect(read).rejects.toMatchObject({ field: `${file}${line}`, code: 'INVALID_ARGUMENT' });
  await expect(read).rejects.toMatchObject({ mend: expect.any(String) });
});

test('a row of Parquet is named by its number', async () => {
  const read = parsedOf(join(fixtures, 'tokens.parquet'), { columns: { text: 'labels' } });
  await expect(read).rejects.toThrow(/tokens\.parquet row 1: text is not text/);
});

const refused: [string, string, string | Uint8Array, string, RegExp][] = [
  [
    'no name and no known header',
    'a',
    'once upon a time, there was',
    'UNKNOWN_FORMAT',
    /neither its name nor/,
  ],
  ['a picture of a table', 'a.xlsx', 'PK\x03\x04…', 'UNSUPPORTED_FORMAT', /ZIP archive or a spreadsheet/],
  ['another compression', 'a.jsonl.zst', Buffer.from('28b52ffd00', 'hex'), 'UNSUPPORTED_FORMAT', /zstd/],
  [
    'a Git LFS pointer',
    'a.parquet',
    'version https://git-lfs.github.com/spec/v1\n',
    'UNSUPPORTED_FORMAT',
    /LFS/,
  ],
  ['a Parquet file in name only', 'a.parquet', 'hello', 'NOT_PARQUET', /does not begin/],
  ['columns of one name', 'a.csv', 'prompt,prompt\na,b\n', 'DUPLICATE_COLUMN', /"prompt" twice/],
  ['a header alone', 'a.csv', 'prompt,completion\n', 'EMPTY_DATASET', /has no rows/],
  ['an empty list', 'a.json', ' [ ] ', 'EMPTY_DATASET', /has no rows/],
];

test.each(refused)('%s is refused by name', async (_what, name, content, reason, message) => {
  const read = parsedOf(fileOf(name, content));
  await expect(read).rejects.toMatchObject({ reason, mend: expect.any(String) });
  await expect(read).rejects.toThrow(message);
});

test('a damaged Parquet file and a damaged gzip file say so', async () => {
  const whole = readFileSync(join(fixtures, 'pairs.zstd.parquet'));
  await expect(parsedOf(fileOf('a.parquet', whole.subarray(0, 1500)))).rejects.toMatchObject({
    reason: 'BAD_PARQUET',
  });
  const packed = gzipSync(lines(rows.pairs));
  await expect(parsedOf(fileOf('a.jsonl.gz', packed.subarray(0, packed.length / 2)))).rejects.toMatchObject({
    reason: 'DAMAGED_GZIP',
  });
});

test('what is typed wins over the name, but not over the content', async () => {
  expect(await detectFormat(fileOf('a.dat', 'hello'), 'text')).toBe('text');
  expect(await detectFormat(fileOf('a.txt', '{"text":"a"}\n'), 'jsonl')).toBe('jsonl');
  expect(await detectFormat(fileOf('a.txt', '{"text":"a"}\n'))).toBe('text');
  await expect(detectFormat(join(fixtures, 'tokens.parquet'), 'csv')).rejects.toMatchObject({
    reason: 'WRONG_FORMAT',
  });
  await expect(detectFormat(fileOf('a.csv', twoPairs), 'parquet')).rejects.toMatchObject({
    reason: 'WRONG_FORMAT',
  });
});

/** 4 MB, which is read in several chunks; packed, the bytes are those on disk. */
const many = Array.from({ length: 40_000 }, (_, i) => ({
  prompt: `${i} ${Math.sin(i)} ${Math.cos(i)}`,
  completion: `${Math.tan(i)} ${Math.exp(-i)}`,
  note: 'x',
}));
test.each([
  ['a.jsonl', () => lines(many)],
  ['a.json', () => JSON.stringify(many)],
  ['a.csv', () => delimited(many, ',')],
  ['a.jsonl.gz', () => gzipSync(lines(many), { level: 0 })],
  ['pairs.snappy.parquet', undefined],
] as const)('how far a reading is: %s', async (name, content) => {
  const file = content === undefined ? join(fixtures, name) : fileOf(name, content());
  const { position, rows: read } = await openDataset(file);
  expect(position.share).toBe(0);
  const shares = new Set<number>();
  for await (const _ of read()) shares.add(position.share);
  expect(shares.size).toBeGreaterThan(1);
  expect([...shares]).toEqual([...shares].sort((a, b) => a - b));
  expect(Math.min(...shares)).toBeLessThan(0.7);
  expect(position.share).toBe(1);
});
