import { expect, test } from 'vitest';
import { Interrupted } from '../interrupted.ts';
import { showRows } from './show-rows.ts';

test('a long reading says how many rows it read, how fast, and what is left; a short one nothing; Ctrl-C ends it', () => {
  const shown: unknown[] = [];
  const output = { progress: (update: object) => void shown.push(update) };
  const controller = new AbortController();
  let now = 0;
  let share = 0;
  const context = { output, signal: controller.signal } as unknown as Parameters<typeof showRows>[0];
  const position = {
    get share() {
      return share;
    },
  } as Parameters<typeof showRows>[1]['position'];
  const onRow = showRows(context, { file: 'data/train.jsonl', position }, () => now);
  for (let rows = 1; rows <= 1024; rows++) onRow(rows);
  expect(shown).toEqual([]);
  [now, share] = [8_000, 0.25];
  for (let rows = 1025; rows <= 1280; rows++) onRow(rows);
  const line = { stage: 'read train.jsonl', unit: 'rows' };
  expect(shown).toEqual([{ ...line, done: 1280, remainingSeconds: 24, note: '160 rows/s' }]);
  // Of the last while alone, which begins with the row before it: 20 s for 2048 rows and a half of the file.
  [now, share] = [28_000, 0.75];
  for (let rows = 1281; rows <= 3328; rows++) onRow(rows);
  expect(shown.at(-1)).toEqual({ ...line, done: 3328, remainingSeconds: 10, note: '102 rows/s' });
  // Nothing of the file came in meanwhile: what is left is not guessed at.
  now = 60_000;
  for (let rows = 3329; rows <= 3584; rows++) onRow(rows);
  expect(shown.at(-1)).toEqual({ ...line, done: 3584, note: '64 rows/s' });
  controller.abort(new Interrupted());
  expect(() => onRow(3585)).not.toThrow();
  expect(() => onRow(3840)).toThrow(Interrupted);
});
