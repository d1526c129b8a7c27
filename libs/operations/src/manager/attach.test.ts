import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { memoryOf } from '../process/proc.ts';
import { all, manager } from '../testing/setup.ts';

const mebibyte = 2 ** 20;

test('frames pass unchanged to the process and back, and the directory goes afterwards', async () => {
  const operations = manager();
  const frames = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(3 * mebibyte, 7)];
  const input = (async function* () {
    yield* frames;
  })();
  const run = await operations.attach({ kind: 'echo', request: {}, input });
  const back = await all(run.output);
  expect(back.map((frame) => frame.length)).toEqual([3, 0, 3 * mebibyte]);
  expect(back[2]?.equals(frames[2] ?? Buffer.alloc(0))).toBe(true);
  const ended = await run.done;
  expect(ended).toMatchObject({ state: 'SUCCEEDED', result: { bytes: 3 + 3 * mebibyte } });
  expect(existsSync(ended.directory)).toBe(false);
});

test('a slow reader stops the process: neither side holds more than a few frames', async () => {
  const operations = manager();
  const run = await operations.attach({
    kind: 'produce',
    request: { frames: 600, bytes: mebibyte },
    keep: true,
  });
  const before = memoryOf('self')?.rssAnonBytes ?? 0;
  let most = 0;
  let count = 0;
  for await (const frame of run.output) {
    expect(frame.readUInt32LE(0)).toBe(count);
    count += 1;
    if (count < 20) await wait(20);
    most = Math.max(most, memoryOf('self')?.rssAnonBytes ?? 0);
  }
  const { usage } = await run.done;
  expect(count).toBe(600);
  // Of 600 MiB that passed; garbage that waits for its collector included.
  expect(most - before).toBeLessThan(300 * mebibyte);
  expect(usage?.peakRssAnonBytes).toBeLessThan(300 * mebibyte);
});

test('a reader that leaves, or whose call is cancelled, ends the work', async () => {
  const operations = manager({ maxConcurrent: 2 });
  const left = await operations.attach({ kind: 'produce', request: { frames: 1e6, bytes: 1000 } });
  for await (const _ of left.output) break;
  expect((await left.done).state).toBe('CANCELLED');
  const stop = new AbortController();
  const run = await operations.attach({ kind: 'sleep', request: { ms: 60_000 }, signal: stop.signal });
  setTimeout(() => stop.abort(), 200);
  await expect(all(run.output)).rejects.toMatchObject({ code: 'CANCELLED', reason: 'OPERATION_CANCELLED' });
});

test('an error of the work, of its input and a death come out of the output', async () => {
  const operations = manager({ maxConcurrent: 3 });
  const input = (async function* () {
    yield Buffer.from('x');
    throw new Error('the caller sent nonsense');
  })();
  const [bad, dead, fed] = await Promise.all([
    operations.attach({ kind: 'fail', request: {} }),
    operations.attach({ kind: 'die', request: { signal: 'SIGKILL' } }),
    operations.attach({ kind: 'consume', request: { delayMs: 50 }, input }),
  ]);
  await expect(all(bad.output)).rejects.toMatchObject({ reason: 'LOSS_NOT_FINITE', field: 'learning_rate' });
  await expect(all(dead.output)).rejects.toMatchObject({ reason: 'OUT_OF_MEMORY' });
  await expect(all(fed.output)).rejects.toThrow('the caller sent nonsense');
});
