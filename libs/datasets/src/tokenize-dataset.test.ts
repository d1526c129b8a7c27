import { readdirSync } from 'node:fs';
import type { EmlocError } from '@emloc/errors';
import { expect, test } from 'vitest';
import { ByteTokenizer } from './byte-tokenizer.test-helper.ts';
import { LengthBound } from './length-bound.ts';
import { openDataset } from './open-dataset.ts';
import type { Row } from './rows.ts';
import { fileOf } from './temporary-files.test-helper.ts';
import { scanDataset, tokenizeDataset } from './tokenize-dataset.ts';
import type { TokenRows } from './token-rows.ts';
import { tokenizeRows } from './tokenize-rows.ts';

const tokenizer = new ByteTokenizer();
const options = { tokenizer: () => tokenizer };
const pairs = Array.from({ length: 50 }, (_, i) => ({
  prompt: `p${i}`,
  completion: 'c'.repeat(1 + (i % 7)),
}));
const pairFile = (): string => fileOf('a.jsonl', pairs.map((row) => `${JSON.stringify(row)}\n`).join(''));
const openFiles = (): number => readdirSync('/proc/self/fd').length;
const textsOf = (rows: TokenRows): string[] =>
  [...rows].map(({ inputIds }) => tokenizer.decode([...inputIds]));

test('rows come back from the disk as they would be in memory, in any order', async () => {
  const file = pairFile();
  const before = openFiles();
  {
    using rows = await tokenizeDataset(await openDataset(file), options);
    const expected = tokenizeRows(
      pairs.map((pair, i) => ({ kind: 'completion', file, line: i + 1, ...pair })),
      tokenizer,
    );
    expect([...rows]).toEqual(expected);
    expect(rows.at(31)).toEqual(expected[31]);
    expect([...rows.lengths]).toEqual(expected.map(({ inputIds }) => inputIds.length));
    expect([...rows.labelled]).toEqual(pairs.map(({ completion }) => completion.length + 1));
    expect(rows.tokens).toBe(expected.reduce((n, { inputIds }) => n + inputIds.length, 0));
    expect(rows.longest).toBe(11);
    expect(() => rows.at(50)).toThrow(RangeError);
  }
  expect(openFiles()).toBe(before);
});

test('a choice among so many rows reads those alone, and the first so many', async () => {
  const dataset = await openDataset(pairFile());
  const counts: number[] = [];
  const choose = (count: number): number[] => (counts.push(count), [3, 10, 49]);
  using chosen = await tokenizeDataset(dataset, options, { choose });
  expect(textsOf(chosen)).toEqual(['p3cccc<|eos|>', 'p10cccc<|eos|>', 'p49c<|eos|>']);
  using first = await tokenizeDataset(dataset, options, { choose, maxRows: 2 });
  expect([...first].map(({ line }) => line)).toEqual([4, 11]);
  using beginning = await tokenizeDataset(dataset, options, { maxRows: 3 });
  expect([...beginning].map(({ line }) => line)).toEqual([1, 2, 3]);
  expect(counts).toEqual([50, 50]);
});

test('every row that is too long is counted before the first is named; one alone is named as it is', async () => {
  const dataset = await openDataset(pairFile());
  const before = openFiles();
  await expect(tokenizeDataset(dataset, { ...options, contextLength: 9 })).rejects.toMatchObject({
    reason: 'ROW_TOO_LONG',
    field: `${dataset.file}:7`,
    message: `${dataset.file}:7: 10 tokens, over the model's context of 9 (13 of 50 rows are so)`,
    mend: expect.stringContaining('--max-seq-length 9'),
    metadata: { rows: '13' },
  });
  expect(openFiles()).toBe(before);
  const one = await openDataset(fileOf('a.jsonl', '{"text":"a"}\n{"text":"abcdef"}\n'));
  await expect(scanDataset(one, { ...options, contextLength: 4 }, () => undefined)).rejects.toThrow(
    /context of 4$/,
  );
});

test('with rows that may be too long or empty, whoever tolerates them is told of each', async () => {
  const file = fileOf('a.jsonl', '{"prompt":"a","completion":""}\n{"prompt":"a","completion":"b"}\n');
  const told: string[] = [];
  let seen = 0;
  await scanDataset(await openDataset(file), options, () => void seen++, {
    tolerate: ({ reason }) => void told.push(reason),
  });
  expect([told, seen]).toEqual([['EMPTY_COMPLETION'], 1]);
});

test('after the first rows tokens are made only of rows that may be too long; what needs none is seen in all', async () => {
  const rows = Array.from({ length: 400 }, (_, i) => ({
    prompt: 'p'.repeat(i % 50 === 49 ? 900 : 100),
    completion: i % 100 === 99 ? ' ' : 'c',
  }));
  rows[380] = { prompt: 'p'.repeat(450), completion: 'c' };
  const dataset = await openDataset(fileOf('a.jsonl', rows.map((row) => JSON.stringify(row)).join('\n')));
  const seen: number[] = [];
  const read: number[] = [];
  const scan = (tolerate?: (error: EmlocError) => void): Promise<number> =>
    scanDataset(dataset, { ...options, contextLength: 500 }, ({ line }) => void seen.push(line), {
      tokenizeFirst: 20,
      onRow: (count) => void read.push(count),
      tolerate,
    });
  await expect(scan()).rejects.toMatchObject({
    reason: 'ROW_TOO_LONG',
    message: expect.stringMatching(/:50: 902 tokens, over .* 500 \(4 of 400 rows are so\)$/),
  });
  expect(seen).toEqual([...Array.from({ length: 20 }, (_, i) => i + 1), 381]);
  expect(read).toEqual(Array.from({ length: 400 }, (_, i) => i + 1));
  const reasons: string[] = [];
  expect(await scan(({ reason }) => void reasons.push(reason))).toBe(400);
  expect(reasons.filter((reason) => reason === 'EMPTY_COMPLETION')).toHaveLength(4);
  const bare = await openDataset(fileOf('b.jsonl', '{"text":"abc"}\n{"text":""}\n'));
  await expect(
    scanDataset(bare, { ...options, labels: 'every' }, () => undefined, { tokenizeFirst: 1 }),
  ).rejects.toMatchObject({ reason: 'NO_LABELLED_TOKENS' });
});

test('a row has no more tokens than the bound says, what the template of the first rows adds included', () => {
  const bound = new LengthBound(400);
  const row = (content: string): Row => ({
    ...{ kind: 'messages', file: 'a', line: 1 },
    messages: [{ role: 'user', content }],
  });
  expect([bound.clears(row('a'.repeat(200))), bound.clears(row('a'.repeat(400)))]).toEqual([true, false]);
  // Two bytes of UTF-8 each.
  expect(bound.clears(row('é'.repeat(150)))).toBe(false);
  bound.learn(row('a'), 300);
  expect(bound.clears(row('a'.repeat(200)))).toBe(false);
});

test('plain text is packed: rows of equal length, the end of text after each document, nothing lost', async () => {
  const text = '\n\nabc\ndef\n\n\f\n<|endoftext|>\nghi\r\n  jkl\n';
  const dataset = await openDataset(fileOf('a.txt', text));
  using rows = await tokenizeDataset(dataset, { ...options, maxLength: 6 });
  expect(textsOf(rows)).toEqual(['abc\nde', 'f<|eos|>ghi\n', '  jkl<|eos|>']);
  expect([...rows].map(({ labels }) => labels[0])).toEqual([-100, -100, -100]);
  expect([...rows.labelled]).toEqual([5, 5, 5]);
  expect(rows.at(1)).toMatchObject({ line: 2, unit: 'row' });
  using held = await tokenizeDataset(
    dataset,
    { ...options, maxLength: 6 },
    { choose: (count) => [count - 1] },
  );
  expect(textsOf(held)).toEqual(['  jkl<|eos|>']);
  await expect(tokenizeDataset(await openDataset(fileOf('a.md', ' \n\n')), options)).rejects.toMatchObject({
    reason: 'EMPTY_DATASET',
  });
  await expect(tokenizeDataset(dataset, { tokenizer: () => undefined })).rejects.toMatchObject({
    reason: 'NO_TOKENIZER',
  });
});

test('a long document in pieces has the tokens of the whole', async () => {
  const { readDocuments } = await import('./formats/documents.ts');
  const lines = Array.from({ length: 100 }, (_, i) =>
    i % 3 === 0 ? `  indented ${i}` : i % 7 === 0 ? '' : `line ${i}`,
  );
  const pieces: { text: string; begins: boolean; ends: boolean }[] = [];
  for await (const piece of readDocuments(fileOf('a.txt', lines.join('\n')), 50)) pieces.push(piece);
  expect(pieces.length).toBeGreaterThan(10);
  expect(pieces.map(({ text }) => text).join('')).toBe(lines.join('\n').trimEnd().replace(/^\n+/, ''));
  expect(pieces.filter(({ begins }) => begins)).toHaveLength(1);
  expect(pieces.filter(({ ends }) => ends)).toHaveLength(1);
  for (const { text } of pieces.slice(1)) expect(text).toMatch(/^\S/);
});
