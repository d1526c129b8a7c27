import { appendFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { all, manager, stateDirectory } from '../testing/setup.ts';

test('a watch goes on from any cursor, without gaps or repeats, also in another process that only reads', async () => {
  const stateDir = stateDirectory();
  const [owner, reader] = [manager({ stateDir }), manager({ stateDir })];
  await owner.start({ id: 'a', kind: 'steps', request: { count: 8, stepMs: 10 } });
  const seen: number[] = [];
  for await (const event of reader.watch('a')) {
    seen.push(event.cursor);
    if (event.cursor === 5) break;
  }
  for await (const event of reader.watch('a', 5)) seen.push(event.cursor);
  expect(seen).toEqual(Array.from({ length: 11 }, (_, i) => i + 1));
  expect(await all(reader.watch('a', 11))).toEqual([]);
  await expect(all(reader.watch('a', 12))).rejects.toMatchObject({
    code: 'OUT_OF_RANGE',
    reason: 'CURSOR_BEYOND_END',
    field: 'after_cursor',
  });
});

test('a watch ends quietly when its caller leaves', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'sleep', request: { ms: 60_000 } });
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 300);
  const events = await all(operations.watch('a', 0, stop.signal));
  expect(events[0]?.state).toBe('QUEUED');
  await expect(operations.wait('a', AbortSignal.timeout(100))).rejects.toThrow(/abort/i);
});

test('a line that a crash cut off is not seen, and is cut away before the next attempt', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'fail', request: {} });
  const { directory } = await operations.wait('a');
  appendFileSync(`${directory}/events.jsonl`, '{"at":"2026-01-01T00:0');
  expect(await all(operations.watch('a'))).toHaveLength(3);
  await operations.resume('a');
  await operations.wait('a');
  const states = (await all(operations.watch('a'))).map((event) => event.state);
  expect(states).toEqual(['QUEUED', 'RUNNING', 'FAILED', 'QUEUED', 'RUNNING', 'FAILED']);
});
