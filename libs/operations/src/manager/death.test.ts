import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { alive, all, manager, stateDirectory } from '../testing/setup.ts';
import { ownerProcess } from '../testing/owner-process.ts';
import { workerPid } from '../testing/worker-pid.ts';
import type { OperationManager } from './operation-manager.ts';

async function diesOf(operations: OperationManager, id: string, kind: string, request: object) {
  await operations.start({ id, kind, request });
  const { state, error } = await operations.wait(id);
  expect(state).toBe('FAILED');
  return error;
}

test('a process that is killed, or dies of a bus error, an abort or an exit, says so', async () => {
  const operations = manager({ maxConcurrent: 4 });
  const [killed, bus, segv, exit] = await Promise.all([
    diesOf(operations, 'kill', 'die', { signal: 'SIGKILL' }),
    diesOf(operations, 'bus', 'die', { signal: 'SIGBUS' }),
    diesOf(operations, 'segv', 'die', { signal: 'SIGSEGV' }),
    diesOf(operations, 'exit', 'exit', {}),
  ]);
  expect(killed).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'OUT_OF_MEMORY',
    metadata: { signal: 'SIGKILL' },
  });
  expect(bus).toMatchObject({ code: 'DATA_LOSS', reason: 'MAPPED_FILE_SHRANK' });
  expect(segv).toMatchObject({ code: 'INTERNAL', reason: 'WORKER_CRASHED' });
  expect(exit).toMatchObject({ reason: 'WORKER_CRASHED' });
  expect(exit?.message).toMatch(/exit code 3; its last words: last words/);
});

test('a process above its memory limit is ended and named so; its peaks are measured', async () => {
  const operations = manager({ maxConcurrent: 2 });
  const bytes = 200 * 2 ** 20;
  await operations.start({
    id: 'big',
    kind: 'allocate',
    request: { bytes },
    memoryLimitBytes: 150 * 2 ** 20,
  });
  await operations.start({ id: 'free', kind: 'allocate', request: { bytes } });
  const big = await operations.wait('big');
  expect(big.error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'MEMORY_LIMIT_EXCEEDED' });
  const { usage } = await operations.wait('free');
  expect(usage?.peakRssAnonBytes).toBeGreaterThan(bytes);
  expect(usage?.peakRssBytes).toBeGreaterThanOrEqual(usage?.peakRssAnonBytes ?? Infinity);
  expect(usage?.peakRssBytes).toBeLessThan(bytes + 200 * 2 ** 20);
});

test('a worker ends with its parent although its thread computes, and another replica goes on at once', async () => {
  const stateDir = stateDirectory();
  const request = { count: 12, stepMs: 250 };
  const owner = ownerProcess(stateDir, 'a', 'steps', request, 60_000);
  const heir = manager({ stateDir });
  const pid = await workerPid(heir, 'a');
  for await (const { event } of heir.watch('a')) if (event !== undefined) break;
  expect(await heir.recover()).toEqual([]);
  await owner.kill('SIGKILL');
  await expect.poll(() => alive(pid)).toBe(false);
  // The lease has a minute to go, but its owner was of this machine and is dead.
  expect(await heir.recover()).toEqual(['a']);
  const ended = await heir.wait('a');
  expect(ended).toMatchObject({ state: 'SUCCEEDED', attempt: 2 });
  expect((ended.result as { first: number }).first).toBeGreaterThan(1);
  const steps = (await all(heir.watch('a'))).flatMap(
    ({ event }) => (event as { step: number } | undefined)?.step ?? [],
  );
  expect(new Set(steps).size).toBe(12);
});

test('a worker in a native call of a minute ends with its parent within a second or two', async () => {
  const stateDir = stateDirectory();
  const owner = ownerProcess(stateDir, 'a', 'deaf', { ms: 60_000 });
  const reader = manager({ stateDir });
  const pid = await workerPid(reader, 'a');
  for await (const { event } of reader.watch('a')) if (event !== undefined) break;
  await owner.kill('SIGKILL');
  await expect.poll(() => alive(pid)).toBe(false);
});

test('an owner that hangs loses its lease, its worker ends, and another takes over', async () => {
  const stateDir = stateDirectory();
  const owner = ownerProcess(stateDir, 'a', 'steps', { count: 400, stepMs: 20 }, 3000);
  const heir = manager({ stateDir, leaseMs: 3000 });
  const pid = await workerPid(heir, 'a');
  for await (const { event } of heir.watch('a')) if (event !== undefined) break;
  await owner.kill('SIGSTOP');
  expect(await heir.recover()).toEqual([]);
  // From here on it looks again every leaseMs.
  await expect.poll(async () => (await heir.get('a')).attempt).toBe(2);
  await expect.poll(() => alive(pid)).toBe(false);
  owner.child.kill('SIGCONT');
  await heir.cancel('a');
  const ended = await heir.wait('a');
  expect(ended).toMatchObject({ state: 'CANCELLED', attempt: 2 });
  // The first owner, awake again, writes nothing any more.
  const states = (await all(heir.watch('a'))).flatMap((e) =>
    e.state === undefined ? [] : [`${e.attempt} ${e.state}`],
  );
  expect(states).toEqual(['0 QUEUED', '1 RUNNING', '2 RUNNING', '2 CANCELLED']);
});

test('an owner whose lease another has taken writes nothing when its process ends', async () => {
  const stateDir = stateDirectory();
  const operations = manager({ stateDir, leaseMs: 60_000 });
  await operations.start({ id: 'a', kind: 'deaf', request: { ms: 60_000 } });
  const pid = await workerPid(operations, 'a');
  const { directory } = await operations.get('a');
  const lease = JSON.parse(readFileSync(join(directory, 'lease-000001'), 'utf8')) as object;
  writeFileSync(join(directory, 'lease-000002'), JSON.stringify({ ...lease, attempt: 2, owner: 'another' }));
  const before = readFileSync(join(directory, 'events.jsonl'), 'utf8');
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => alive(pid)).toBe(false);
  await operations.close();
  expect(readFileSync(join(directory, 'events.jsonl'), 'utf8')).toBe(before);
});
