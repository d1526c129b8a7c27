import { expect, test } from 'vitest';
import { ownerProcess } from '../testing/owner-process.ts';
import { all, manager, stateDirectory } from '../testing/setup.ts';
import type { AttemptEnd, AttemptRun, OperationObserver } from './observer.ts';

interface Seen {
  readonly runs: AttemptRun[];
  readonly ends: AttemptEnd[];
  readonly events: object[];
  readonly reports: object[];
}

function observer(traceparent?: string): { readonly seen: Seen; readonly observer: OperationObserver } {
  const seen: Seen = { runs: [], ends: [], events: [], reports: [] };
  return {
    seen,
    observer: {
      around: async (run, work) => {
        seen.runs.push(run);
        const end = await work(traceparent ?? run.traceparent);
        seen.ends.push(end);
        seen.reports.push({ end: end.state });
        return end;
      },
      event: (_run, event) => seen.events.push(event),
      report: (run, what) => seen.reports.push({ id: run.id, ...what }),
    },
  };
}

test('an observer sees the attempt, what its process says, in order and once, and how it ends', async () => {
  const { seen, observer: own } = observer('the trace of the attempt');
  const operations = manager({ observer: own });
  await operations.start({ id: 'a', kind: 'add', request: { a: 1, b: 2 }, traceparent: 'of the caller' });
  const ended = await operations.wait('a');
  expect(ended.result).toMatchObject({ sum: 3, traceparent: 'the trace of the attempt' });
  await operations.start({ id: 'b', kind: 'fail', request: {} });
  await operations.wait('b');
  await operations.close();
  expect(seen.runs).toMatchObject([
    { id: 'a', kind: 'add', attempt: 1, traceparent: 'of the caller', lost: undefined },
    { id: 'b', kind: 'fail', attempt: 1, traceparent: undefined },
  ]);
  expect(seen.events).toEqual([{ stage: 'adding' }]);
  expect(seen.ends).toMatchObject([
    { state: 'SUCCEEDED', usage: { peakRssBytes: expect.any(Number) } },
    { state: 'FAILED', error: { reason: 'LOSS_NOT_FINITE' } },
  ]);
});

test('what a process reports is heard before its end, also where it is killed in the next moment', async () => {
  const { seen, observer: own } = observer();
  const operations = manager({ observer: own });
  await operations.start({ id: 'a', kind: 'die', request: { signal: 'SIGKILL' } });
  await operations.wait('a');
  await operations.start({ id: 'b', kind: 'add', request: { a: 1, b: 2 } });
  await operations.wait('b');
  await operations.close();
  const killed = [{ id: 'a', begun: 'die' }, { end: expect.stringMatching(/QUEUED|FAILED/) }];
  expect(seen.reports).toEqual([
    ...[killed, killed, killed].flat(),
    { id: 'b', begun: 'add' },
    { end: 'SUCCEEDED' },
  ]);
});

test('an attempt whose owner died without a word is told to the one that goes on; its events are not told again', async () => {
  const stateDir = stateDirectory();
  const owner = ownerProcess(stateDir, 'a', 'steps', { count: 12, stepMs: 100 });
  const { seen, observer: own } = observer();
  const operations = manager({ stateDir, observer: own });
  const until = Date.now() + 60_000;
  const steps = async (): Promise<number> => {
    const stop = AbortSignal.timeout(200);
    const events = await all(operations.watch('a', 0, stop)).catch(() => []);
    return events.filter(({ event }) => event !== undefined).length;
  };
  let before = 0;
  while (before < 3 && Date.now() < until) before = await steps();
  await owner.kill('SIGKILL');
  before = await steps();
  await operations.recover();
  await operations.wait('a');
  await operations.close();
  expect(seen.runs).toMatchObject([{ attempt: 2, lost: { attempt: 1 } }]);
  const lost = seen.runs[0]?.lost;
  expect(lost?.lastSeenAt.getTime()).toBeGreaterThan(lost?.startedAt.getTime() ?? Infinity);
  const told = seen.events.map((event) => (event as { step: number }).step);
  expect(told.at(-1)).toBe(12);
  expect(told[0]).toBeGreaterThan(before - 1);
  expect(new Set(told).size).toBe(told.length);
});

test('what waits and what runs is counted by kind', async () => {
  const operations = manager();
  for (const id of ['a', 'b', 'c'])
    await operations.start({ id, kind: 'steps', request: { count: 4, stepMs: 50 } });
  const of = (kind: string) => operations.counts().find((each) => each.kind === kind);
  expect(of('steps')).toEqual({ kind: 'steps', queued: 2, running: 1 });
  expect(of('add')).toEqual({ kind: 'add', queued: 0, running: 0 });
  for (const id of ['a', 'b', 'c']) await operations.wait(id);
  await operations.close();
  expect(of('steps')).toEqual({ kind: 'steps', queued: 0, running: 0 });
});
