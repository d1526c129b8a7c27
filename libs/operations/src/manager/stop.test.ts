import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { alive, all, manager, stateDirectory } from '../testing/setup.ts';
import type { OperationManager } from './operation-manager.ts';

const steps = { count: 1000, stepMs: 20 };

/** Until the worker emitted something; what that was. */
async function emitted(operations: OperationManager, id: string): Promise<unknown> {
  for await (const { event } of operations.watch(id)) if (event !== undefined) return event;
  throw new Error(`${id} ended without an event`);
}

test('a cancel reaches the work between two steps', async () => {
  // Work that does not listen would come to its end within the grace.
  const operations = manager({ cancelGraceMs: 60_000 });
  await operations.start({ id: 'a', kind: 'steps', request: steps });
  await emitted(operations, 'a');
  await operations.cancel('a');
  const ended = await operations.wait('a');
  expect(ended).toMatchObject({
    state: 'CANCELLED',
    error: { code: 'CANCELLED', reason: 'OPERATION_CANCELLED' },
  });
  expect((await operations.cancel('a')).state).toBe('CANCELLED');
});

test('a cancel that comes before the process has started reaches it too', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'steps', request: steps });
  await operations.cancel('a');
  expect((await operations.wait('a')).state).toBe('CANCELLED');
});

test('work that does not listen is ended after the grace', async () => {
  const operations = manager({ cancelGraceMs: 300 });
  await operations.start({ id: 'a', kind: 'deaf', request: { ms: 60_000 } });
  const { pid } = (await emitted(operations, 'a')) as { pid: number };
  await operations.cancel('a');
  expect((await operations.wait('a')).state).toBe('CANCELLED');
  expect(alive(pid)).toBe(false);
});

test('a paused operation stays paused, and a resume goes on from its checkpoint', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'steps', request: { count: 200, stepMs: 20 } });
  await emitted(operations, 'a');
  await operations.pause('a');
  const paused = await operations.wait('a');
  expect(paused.state).toBe('PAUSED');
  expect(await operations.recover()).toEqual([]);
  const done = Number(readFileSync(join(paused.directory, 'checkpoint', 'step'), 'utf8'));
  await operations.resume('a');
  const ended = await operations.wait('a');
  expect(ended).toMatchObject({ state: 'SUCCEEDED', attempt: 2, result: { first: done + 1, attempt: 2 } });
  const events = await all(operations.watch('a'));
  const numbers = events.flatMap(({ event }) =>
    event === undefined ? [] : [(event as { step: number }).step],
  );
  expect(numbers).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  expect(events.flatMap((e) => e.state ?? [])).toEqual([
    'QUEUED',
    'RUNNING',
    'PAUSED',
    'QUEUED',
    'RUNNING',
    'SUCCEEDED',
  ]);
  const resumeIt = operations.resume('a');
  await expect(resumeIt).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'OPERATION_NOT_RESUMABLE',
  });
});

test('another replica cancels what this one runs', async () => {
  const stateDir = stateDirectory();
  const [one, two] = [manager({ stateDir }), manager({ stateDir })];
  await one.start({ id: 'a', kind: 'steps', request: steps });
  await emitted(two, 'a');
  await two.cancel('a');
  expect((await two.wait('a')).state).toBe('CANCELLED');
});

test('a manager that closes gives its operations back, and another goes on', async () => {
  const stateDir = stateDirectory();
  const one = manager({ stateDir });
  await one.start({ id: 'a', kind: 'steps', request: { count: 200, stepMs: 20 } });
  await one.start({ id: 'b', kind: 'add', request: { a: 1, b: 1 } });
  await emitted(one, 'a');
  await one.close();
  const two = manager({ stateDir });
  expect((await two.get('a')).state).toBe('QUEUED');
  expect((await two.recover()).sort()).toEqual(['a', 'b']);
  const ended = await two.wait('a');
  expect(ended.state).toBe('SUCCEEDED');
  expect((ended.result as { first: number }).first).toBeGreaterThan(1);
  expect((await two.wait('b')).state).toBe('SUCCEEDED');
});
