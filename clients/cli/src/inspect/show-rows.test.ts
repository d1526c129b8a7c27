import { expect, test } from 'vitest';
import { Interrupted } from '../interrupted.ts';
import { showRows } from './show-rows.ts';

test('a long reading says how many rows it read, a short one nothing, and Ctrl-C ends it', () => {
  const shown: unknown[] = [];
  const output = { progress: (update: object) => void shown.push(update) };
  const controller = new AbortController();
  let now = 0;
  const context = { output, signal: controller.signal } as unknown as Parameters<typeof showRows>[0];
  const onRow = showRows(context, 'data/train.jsonl', () => now);
  for (let rows = 1; rows <= 1024; rows++) onRow(rows);
  expect(shown).toEqual([]);
  now = 60_000;
  for (let rows = 1025; rows <= 1536; rows++) onRow(rows);
  expect(shown).toEqual([1280, 1536].map((done) => ({ stage: 'read train.jsonl', done, unit: 'rows' })));
  controller.abort(new Interrupted());
  expect(() => onRow(1537)).not.toThrow();
  expect(() => onRow(1792)).toThrow(Interrupted);
});
