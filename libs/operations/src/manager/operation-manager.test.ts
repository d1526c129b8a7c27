import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { all, manager, stateDirectory } from '../testing/setup.ts';

const reason = (code: string, why: string) => expect.objectContaining({ code, reason: why });

test('an operation runs in its own process and leaves result, usage and events', async () => {
  const operations = manager();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const started = await operations.start({ id: 'add-1', kind: 'add', request: { a: 1, b: 2 }, traceparent });
  expect(started).toMatchObject({ id: 'add-1', kind: 'add', attempt: 1 });
  const ended = await operations.wait('add-1');
  expect(ended).toMatchObject({
    state: 'SUCCEEDED',
    result: { sum: 3, traceparent, env: traceparent },
    attempt: 1,
  });
  expect(ended.usage?.peakRssBytes).toBeGreaterThan(2 ** 24);
  expect(ended.usage?.peakRssAnonBytes).toBeGreaterThan(2 ** 20);
  expect(ended.usage?.wallMs).toBeGreaterThan(10);
  expect(ended.lastEvent).toEqual({ stage: 'adding' });
  const events = await all(operations.watch('add-1'));
  expect(events.map((e) => e.state ?? e.event)).toEqual([
    'QUEUED',
    'RUNNING',
    { stage: 'adding' },
    'SUCCEEDED',
  ]);
  expect(events.map((e) => e.cursor)).toEqual([1, 2, 3, 4]);
  // And nothing half-written or temporary beside them.
  const names = [
    'checkpoint',
    'events.jsonl',
    'lease-000001',
    'log.txt',
    'output',
    'request.json',
    'result.json',
  ];
  expect(readdirSync(ended.directory).sort()).toEqual([...names, 'usage.json']);
  expect(statSync(join(ended.directory, 'log.txt')).size).toBe(0);
});

test('the same id with the same request is the same operation, whatever the order of its keys', async () => {
  const operations = manager();
  await operations.start({ id: 'one', kind: 'add', request: { a: 1, b: 2 } });
  await operations.start({ id: 'one', kind: 'add', request: { b: 2, a: 1 } });
  await operations.wait('one');
  const again = await operations.start({ id: 'one', kind: 'add', request: { a: 1, b: 2 } });
  expect(again).toMatchObject({ state: 'SUCCEEDED', attempt: 1 });
  const other = operations.start({ id: 'one', kind: 'add', request: { a: 1, b: 3 } });
  await expect(other).rejects.toEqual(reason('ALREADY_EXISTS', 'OPERATION_ID_REUSED'));
});

test('two replicas that start the same id at once run it once', async () => {
  const stateDir = stateDirectory();
  const [one, two] = [manager({ stateDir }), manager({ stateDir })];
  const request = { id: 'race', kind: 'add', request: { a: 2, b: 2 } };
  await Promise.all([one.start(request), two.start(request)]);
  const ended = await two.wait('race');
  expect(ended).toMatchObject({ state: 'SUCCEEDED', attempt: 1 });
  expect((await all(one.watch('race'))).filter((e) => e.state === 'RUNNING')).toHaveLength(1);
});

test('bad ids and unknown kinds are refused before anything is written', async () => {
  const stateDir = stateDirectory();
  const operations = manager({ stateDir });
  for (const id of ['', '../x', '.hidden', 'a/b', 'x'.repeat(129)]) {
    const started = operations.start({ id, kind: 'add', request: {} });
    await expect(started).rejects.toEqual(reason('INVALID_ARGUMENT', 'OPERATION_ID_INVALID'));
  }
  await expect(operations.start({ id: 'x', kind: 'nope', request: {} })).rejects.toThrow(
    /no operations of the kind/,
  );
  await expect(operations.get('x')).rejects.toEqual(reason('NOT_FOUND', 'OPERATION_NOT_FOUND'));
  await expect(operations.cancel('x')).rejects.toEqual(reason('NOT_FOUND', 'OPERATION_NOT_FOUND'));
  expect(readdirSync(join(stateDir, 'operations'))).toEqual([]);
});

test('operations wait in order, and a full queue is refused', async () => {
  const operations = manager({ maxConcurrent: 1, maxQueued: 1 });
  await operations.start({ id: 'a', kind: 'sleep', request: { ms: 30_000 } });
  const queued = await operations.start({ id: 'b', kind: 'add', request: { a: 1, b: 1 } });
  expect(queued.state).toBe('QUEUED');
  const full = operations.start({ id: 'c', kind: 'add', request: { a: 1, b: 1 } });
  await expect(full).rejects.toEqual(reason('RESOURCE_EXHAUSTED', 'QUEUE_FULL'));
  expect((await operations.start({ id: 'b', kind: 'add', request: { a: 1, b: 1 } })).state).toBe('QUEUED');
  await operations.cancel('a');
  expect((await operations.wait('b')).state).toBe('SUCCEEDED');
  expect((await operations.get('a')).state).toBe('CANCELLED');
});

test('a queued operation is cancelled without ever having a process', async () => {
  const operations = manager({ maxConcurrent: 1 });
  await operations.start({ id: 'a', kind: 'sleep', request: { ms: 30_000 } });
  await operations.start({ id: 'b', kind: 'add', request: {} });
  expect((await operations.cancel('b')).state).toBe('CANCELLED');
  expect((await all(operations.watch('b'))).map((e) => e.state)).toEqual(['QUEUED', 'CANCELLED']);
});

test('an error of the work arrives with all its fields', async () => {
  const operations = manager();
  await operations.start({ id: 'bad', kind: 'fail', request: {} });
  const { state, error } = await operations.wait('bad');
  expect(state).toBe('FAILED');
  expect(error).toMatchObject({
    code: 'INVALID_ARGUMENT',
    reason: 'LOSS_NOT_FINITE',
    message: 'the loss is NaN',
    field: 'learning_rate',
    value: '10',
    mend: 'choose a smaller one',
    metadata: { step: '7' },
  });
  expect((await all(operations.watch('bad'))).at(-1)?.error?.reason).toBe('LOSS_NOT_FINITE');
});

test('lists are newest first, by page, by kind and by state', async () => {
  const operations = manager({ maxConcurrent: 1 });
  await operations.start({ id: 'busy', kind: 'sleep', request: { ms: 60_000 } });
  for (const id of ['a', 'b', 'c']) await operations.start({ id, kind: 'add', request: {} });
  await operations.cancel('b');
  const first = await operations.list({ kind: 'add', pageSize: 2 });
  const second = await operations.list({ kind: 'add', pageSize: 2, pageToken: first.nextPageToken });
  expect([...first.operations, ...second.operations].map((o) => o.id)).toEqual(['c', 'b', 'a']);
  expect(second.nextPageToken).toBeUndefined();
  expect((await operations.list({ state: 'CANCELLED' })).operations.map((o) => o.id)).toEqual(['b']);
  await expect(operations.list({ pageToken: 'nonsense' })).rejects.toEqual(
    reason('INVALID_ARGUMENT', 'PAGE_TOKEN_INVALID'),
  );
});

test('only what has ended is deleted, and then it is gone', async () => {
  const operations = manager();
  await operations.start({ id: 'a', kind: 'sleep', request: { ms: 30_000 } });
  await expect(operations.delete('a')).rejects.toEqual(reason('FAILED_PRECONDITION', 'OPERATION_ACTIVE'));
  await operations.cancel('a');
  const { directory } = await operations.wait('a');
  await operations.delete('a');
  expect(existsSync(directory)).toBe(false);
  await expect(operations.get('a')).rejects.toEqual(reason('NOT_FOUND', 'OPERATION_NOT_FOUND'));
  const anew = await operations.start({ id: 'a', kind: 'add', request: { a: 5, b: 5 } });
  expect(anew.kind).toBe('add');
  expect((await operations.wait('a')).result).toMatchObject({ sum: 10 });
});

test.skipIf(process.platform !== 'linux')(
  'operations, calls and their ends leave no descriptors open in the service',
  async () => {
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const operations = manager({ maxConcurrent: 2 });
    await operations.start({ id: 'first', kind: 'add', request: {} });
    await operations.wait('first');
    const before = descriptors();
    await operations.start({ id: 'a', kind: 'add', request: {} });
    await operations.start({ id: 'b', kind: 'fail', request: {} });
    const run = await operations.attach({ kind: 'echo', request: {}, input: new Readable({ read() {} }) });
    await operations.wait('a');
    await operations.wait('b');
    await operations.cancel((await operations.list({ kind: 'echo' })).operations[0]?.id ?? '');
    await expect(all(run.output)).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect.poll(descriptors).toBeLessThanOrEqual(before);
  },
);
