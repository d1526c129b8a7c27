import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EmbeddedConnection, Gate } from '../database/embedded-connection.ts';
import { createSchema } from '../database/schema.ts';
import { JobEvents } from './job-events.ts';
import { foldStatus } from './job-status.ts';
import { JobStore } from './job-store.ts';
import type { JobEventBody, StageName } from './job.ts';

let database: PGlite;
let pool: pg.Pool;
let store: JobStore;
let events: JobEvents;

beforeAll(async () => {
  database = await PGlite.create();
  const gate = new Gate();
  const stream = (): never => new EmbeddedConnection(database, gate) as never;
  pool = new pg.Pool({ stream, user: 'postgres', database: 'postgres', max: 4 });
  await createSchema(pool);
  await createSchema(pool);
  store = new JobStore(pool);
  events = new JobEvents(pool);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const progress = (stage: StageName, step: number): JobEventBody => ({
  stageEvent: {
    stage,
    event: { cursor: step, progress: { stage, step, totalSteps: 10, remainingSeconds: 10 - step } },
  },
});

test('a job is created once, whatever the order of its fields', async () => {
  const first = await store.create('same', { a: 1, b: { c: 2, d: 3 } }, 't');
  expect(await store.create('same', { b: { d: 3, c: 2 }, a: 1 }, undefined)).toEqual(first);
  await expect(store.create('same', { a: 2 }, undefined)).rejects.toMatchObject({ reason: 'JOB_ID_REUSED' });
});

test('a cancel is not weakened by a pause, and a job is resumed once', async () => {
  const job = await store.create('stopped', {}, undefined);
  await store.stop('stopped', 'CANCEL');
  await store.stop('stopped', 'PAUSE');
  expect(await store.wanted('stopped')).toBe('CANCEL');
  expect(await store.resume(job)).toMatchObject({ attempt: 2, wanted: 'RUN' });
  expect(await store.resume(job)).toBeUndefined();
});

test('events are numbered without gaps, also where many come at once and some come twice', async () => {
  await store.create('many', {}, undefined);
  const all = Array.from({ length: 40 }, (_, i) => i % 20);
  const appended = await Promise.all(
    all.map((i) => events.append('many', progress('train', i), { source: 'operation/x', sourceCursor: i })),
  );
  expect(appended.filter(Boolean)).toHaveLength(20);
  await events.append(
    'many',
    { stateChanged: { state: 'SUCCEEDED' } },
    { source: 'job/end', sourceCursor: 1 },
  );
  const seen: number[] = [];
  for await (const { cursor } of events.watch('many', 5, new AbortController().signal)) seen.push(cursor);
  expect(seen).toEqual(Array.from({ length: 16 }, (_, i) => i + 6));
  expect(await events.lastSourceCursor('many', 'operation/x')).toBe(19);
});

test('a watch sees what comes, and ends with the job', async () => {
  await store.create('live', {}, undefined);
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { body } of events.watch('live', 0, new AbortController().signal))
      seen.push(Object.keys(body)[0]!);
  })();
  await events.append('live', progress('train', 1), { source: 'o', sourceCursor: 1 });
  await expect.poll(() => seen).toEqual(['stageEvent']);
  await events.append('live', { stateChanged: { state: 'PAUSED' } }, { source: 'job/end', sourceCursor: 1 });
  await watching;
  expect(seen).toEqual(['stageEvent', 'stateChanged']);
});

test('the latest events say how far a job is', async () => {
  await store.create('status', {}, undefined);
  const say = (body: JobEventBody, sourceCursor: number) =>
    events.append('status', body, { source: 's', sourceCursor });
  await say({ stateChanged: { state: 'QUEUED' } }, 1);
  await say({ stateChanged: { state: 'RUNNING' } }, 2);
  await say(
    {
      stageChanged: {
        name: 'refine',
        state: 'QUEUED',
        progress: { stage: 'refine', step: 0, totalSteps: 20 },
      },
    },
    3,
  );
  await say(
    { stageChanged: { name: 'train', state: 'RUNNING', operationId: 'status-train', service: 'training' } },
    4,
  );
  for (const step of [1, 2, 5]) await say(progress('train', step), 10 + step);
  const status = foldStatus(await events.latest('status'));
  expect(status).toMatchObject({ state: 'RUNNING', cursor: 7 });
  expect(status.stages.find(({ name }) => name === 'train')).toMatchObject({
    state: 'RUNNING',
    progress: { step: 5 },
  });
  expect(status.stages.find(({ name }) => name === 'plan')).toMatchObject({ state: 'QUEUED' });
  // Five seconds for five steps, and twenty exact ones to come.
  expect(status.remainingSeconds).toBe(25);
  expect(await events.operations('status')).toEqual([{ service: 'training', operationId: 'status-train' }]);
});

test('jobs are listed from the newest, page by page', async () => {
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const page = await store.list(2, token);
    seen.push(...page.jobs.map(({ id }) => id));
    token = page.nextPageToken === '' ? undefined : page.nextPageToken;
  } while (token !== undefined);
  expect(seen).toEqual(['status', 'live', 'many', 'stopped', 'same']);
  await expect(store.list(2, 'nonsense')).rejects.toMatchObject({ field: 'page_token' });
  await store.delete('same');
  await expect(store.get('same')).rejects.toMatchObject({ reason: 'JOB_NOT_FOUND' });
});
