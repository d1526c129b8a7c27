/** Work whose process is killed from outside is tried again from its checkpoint, a bounded number of times. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { expect, test } from 'vitest';
import { all, manager, stateDirectory, workerFile } from '../testing/setup.ts';
import { workerPid } from '../testing/worker-pid.ts';
import { OperationManager } from './operation-manager.ts';

const killed = { code: 'RESOURCE_EXHAUSTED', reason: 'OUT_OF_MEMORY', metadata: { signal: 'SIGKILL' } };

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'a process that %s ends goes on from its checkpoint, and its events say why',
  async (signal) => {
    const operations = manager();
    await operations.start({ id: 'a', kind: 'steps', request: { count: 12, stepMs: 50 } });
    const pid = await workerPid(operations, 'a');
    for await (const { event } of operations.watch('a')) if (event !== undefined) break;
    process.kill(pid, signal);
    const ended = await operations.wait('a');
    expect(ended).toMatchObject({ state: 'SUCCEEDED', attempt: 2, result: { attempt: 2 } });
    expect((ended.result as { first: number }).first).toBeGreaterThan(1);
    const changes = (await all(operations.watch('a'))).filter(({ state }) => state !== undefined);
    expect(changes.map(({ attempt, state }) => `${attempt} ${state}`)).toEqual([
      '0 QUEUED',
      '1 RUNNING',
      '1 QUEUED',
      '2 RUNNING',
      '2 SUCCEEDED',
    ]);
    expect(changes[2]?.error).toMatchObject({ metadata: { signal } });
    expect(changes[4]?.error).toBeUndefined();
  },
);

test('what is killed without a new checkpoint in between fails in the end, and a resume has all its tries again', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'die', request: { signal: 'SIGKILL' } });
  expect(await operations.wait('a')).toMatchObject({ state: 'FAILED', attempt: 3, error: killed });
  await operations.resume('a');
  expect(await operations.wait('a')).toMatchObject({ state: 'FAILED', attempt: 6, error: killed });
});

test('deaths before a checkpoint do not count after it', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'mortal', request: { count: 5 } });
  const ended = await operations.wait('a');
  expect(ended).toMatchObject({ state: 'SUCCEEDED', attempt: 6 });
});

test('the count outlives the service', async () => {
  const stateDir = stateDirectory();
  const one = manager({ stateDir });
  await one.start({ id: 'a', kind: 'die', request: { signal: 'SIGKILL' } });
  for await (const { attempt, state } of one.watch('a')) if (attempt === 2 && state === 'RUNNING') break;
  await one.close();
  const two = manager({ stateDir });
  await two.recover();
  const ended = await two.wait('a');
  expect(ended).toMatchObject({ state: 'FAILED', error: killed });
  // The attempt that was under way may have been released before it died.
  expect([3, 4]).toContain(ended.attempt);
});

test('a cancel of work that is killed is a cancel', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'steps', request: { count: 1000, stepMs: 20 } });
  const pid = await workerPid(operations, 'a');
  const cancelled = operations.cancel('a');
  process.kill(pid, 'SIGKILL');
  await cancelled;
  expect(await operations.wait('a')).toMatchObject({ state: 'CANCELLED', attempt: 1 });
});

test('work whose input comes from a process that was killed is fed anew', async () => {
  let feeds = 0;
  const input = async function* () {
    feeds += 1;
    yield Buffer.from('x');
    if (feeds > 1) return;
    throw new EmlocError('RESOURCE_EXHAUSTED', 'OUT_OF_MEMORY', 'ended', { metadata: { signal: 'SIGKILL' } });
  };
  const operations = new OperationManager({
    stateDir: stateDirectory(),
    kinds: { consume: { worker: workerFile, input } },
  });
  await operations.start({ id: 'a', kind: 'consume', request: { delayMs: 1 } });
  const ended = await operations.wait('a');
  expect(ended).toMatchObject({ state: 'SUCCEEDED', attempt: 2, result: { frames: 1 } });
  await operations.close();
});

test('what ends by itself, or for its memory limit, is not tried again; a fault is, once', async () => {
  const operations = manager({ maxConcurrent: 4 });
  const start = (id: string, kind: string, request: object, memoryLimitBytes?: number) =>
    operations.start({ id, kind, request, memoryLimitBytes }).then(() => operations.wait(id));
  const [exit, abort, fault, large] = await Promise.all([
    start('exit', 'exit', {}),
    start('abort', 'die', { signal: 'SIGABRT' }),
    start('fault', 'die', { signal: 'SIGSEGV' }),
    start('large', 'allocate', { bytes: 200 * 2 ** 20 }, 150 * 2 ** 20),
  ]);
  expect(exit).toMatchObject({ state: 'FAILED', attempt: 1 });
  expect(abort).toMatchObject({ state: 'FAILED', attempt: 1 });
  expect(fault).toMatchObject({ state: 'FAILED', attempt: 2, error: { reason: 'WORKER_CRASHED' } });
  expect(large).toMatchObject({ state: 'FAILED', attempt: 1, error: { reason: 'MEMORY_LIMIT_EXCEEDED' } });
  expect(existsSync(join(exit.directory, 'deaths.json'))).toBe(false);
});
