import { expect, test } from 'vitest';
import { alive, atEnd, workerFile } from '../testing/setup.ts';
import { WarmPool } from './warm-pool.ts';

function pool(maxProcesses: number): { pool: WarmPool; pid: (key: string) => Promise<number> } {
  const made = new WarmPool({ worker: workerFile, maxProcesses });
  atEnd(() => made.close());
  const pid = async (key: string): Promise<number> =>
    (await made.call(key, { kind: 'pid', request: {} }).result) as number;
  return { pool: made, pid };
}

test('calls of one key go to one process, those of another to another', async () => {
  const { pid } = pool(2);
  const [a, b] = await Promise.all([pid('a'), pid('b')]);
  expect(a).not.toBe(b);
  expect([await pid('a'), await pid('b')]).toEqual([a, b]);
});

test('one key too many ends the process that was called longest ago, not one that works', async () => {
  const { pool: made, pid } = pool(2);
  const a = await pid('a');
  const b = await pid('b');
  await pid('a');
  const c = await pid('c');
  await expect.poll(() => alive(b)).toBe(false);
  expect([alive(a), alive(c)]).toEqual([true, true]);
  const stop = new AbortController();
  const sleeps = ['a', 'c'].map((key) =>
    made.call(key, { kind: 'sleep', request: { ms: 60_000 }, signal: stop.signal }),
  );
  await pid('d');
  expect([alive(a), alive(c)]).toEqual([true, true]);
  stop.abort();
  await Promise.allSettled(sleeps.map((sleep) => sleep.result));
});

test('closing ends all processes, and what is called after it is refused', async () => {
  const { pool: made, pid } = pool(2);
  const pids = await Promise.all([pid('a'), pid('b')]);
  await made.close();
  expect(pids.map(alive)).toEqual([false, false]);
  expect(() => made.call('a', { kind: 'pid', request: {} })).toThrow(/stopping/);
});
