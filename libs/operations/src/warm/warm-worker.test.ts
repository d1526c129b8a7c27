import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { alive, all, atEnd, workerFile } from '../testing/setup.ts';
import { WarmWorker, type WarmWorkerOptions } from './warm-worker.ts';

function warm(options: Partial<WarmWorkerOptions> = {}): WarmWorker {
  const worker = new WarmWorker({ worker: workerFile, ...options });
  atEnd(() => worker.close());
  return worker;
}

test('one process answers all calls, in order, with frames both ways', async () => {
  const worker = warm();
  const first = worker.call({ kind: 'echo', request: {}, input: [Buffer.from('a'), Buffer.from('bc')] });
  const second = worker.call({ kind: 'pid', request: {} });
  expect((await all(first.output)).map(String)).toEqual(['a', 'bc']);
  expect(await first.result).toMatchObject({ bytes: 3, pid: worker.pid });
  expect(await second.result).toBe(worker.pid);
});

test('what the process reports of each call is heard', async () => {
  const reports: object[] = [];
  const worker = warm({ report: (what) => reports.push(what) });
  await worker.call({ kind: 'pid', request: {} }).result;
  await worker.call({ kind: 'add', request: { a: 1, b: 2 } }).result;
  // It comes over a channel of its own.
  while (reports.length < 2) await wait(10);
  expect(reports).toEqual([{ begun: 'pid' }, { begun: 'add' }]);
});

test('output that nobody reads does not stop the call; an error arrives whole, also while input still comes', async () => {
  const worker = warm();
  const call = worker.call({ kind: 'produce', request: { frames: 50, bytes: 2 ** 18 } });
  expect(await call.result).toEqual({ frames: 50 });
  const { pid } = worker;
  const endless = (async function* () {
    for (;;) yield Buffer.alloc(2 ** 16);
  })();
  const bad = worker.call({ kind: 'fail', request: {}, input: endless });
  await expect(bad.result).rejects.toMatchObject({ reason: 'LOSS_NOT_FINITE', mend: 'choose a smaller one' });
  expect(await worker.call({ kind: 'pid', request: {} }).result).toBe(pid);
});

test('a cancelled call ends, a reader that leaves cancels, and the process lives on', async () => {
  const worker = warm();
  const pid = await worker.call({ kind: 'pid', request: {} }).result;
  const stop = new AbortController();
  const slept = worker.call({ kind: 'sleep', request: { ms: 60_000 }, signal: stop.signal });
  setTimeout(() => stop.abort(), 100);
  await expect(slept.result).rejects.toMatchObject({ code: 'CANCELLED' });
  const left = worker.call({ kind: 'produce', request: { frames: 1e6, bytes: 1000 } });
  for await (const _ of left.output) break;
  expect(await worker.call({ kind: 'pid', request: {} }).result).toBe(pid);
});

test('work that does not listen is ended, and the next call gets another process', async () => {
  const worker = warm({ cancelGraceMs: 200 });
  const pid = (await worker.call({ kind: 'pid', request: {} }).result) as number;
  const stop = new AbortController();
  const deaf = worker.call({ kind: 'deaf', request: { ms: 60_000 }, signal: stop.signal });
  setTimeout(() => stop.abort(), 100);
  await expect(deaf.result).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(await worker.call({ kind: 'pid', request: {} }).result).not.toBe(pid);
  expect(alive(pid)).toBe(false);
});

test('a call whose process dies fails, and the next call gets another process', async () => {
  const worker = warm();
  const died = worker.call({ kind: 'die', request: { signal: 'SIGSEGV' } });
  await expect(died.result).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'WORKER_CRASHED' });
  expect(await worker.call({ kind: 'pid', request: {} }).result).toBeGreaterThan(0);
});

test('an idle process ends, and too many waiting calls are refused', async () => {
  const worker = warm({ idleMs: 100, maxQueued: 1 });
  const pid = (await worker.call({ kind: 'pid', request: {} }).result) as number;
  await expect.poll(() => alive(pid)).toBe(false);
  expect(worker.pid).toBeUndefined();
  const running = worker.call({ kind: 'sleep', request: { ms: 60_000 } });
  const waiting = worker.call({ kind: 'pid', request: {} });
  expect(() => worker.call({ kind: 'pid', request: {} })).toThrow(/wait already/);
  const ends = Promise.allSettled([running.result, waiting.result]);
  await wait(50);
  await worker.close();
  expect((await ends).map((end) => end.status)).toEqual(['rejected', 'rejected']);
});
