/** The same coordinator on PostgreSQL. Runs where EMLOC_TEST_DATABASE_URL names one; it is shown as skipped elsewhere. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '@emloc/mesh';
import { errorOf, JobClient, trainsIn } from './support/jobs.ts';
import { fixture, TestMesh } from './support/test-mesh.ts';

const url = process.env['EMLOC_TEST_DATABASE_URL'];

describe.skipIf(url === undefined)('on PostgreSQL (EMLOC_TEST_DATABASE_URL)', () => {
  let mesh: TestMesh;
  let jobs: JobClient;
  // A name of its own, so that jobs of earlier runs on this database are not taken over.
  const executor = `test-${randomBytes(4).toString('hex')}`;
  beforeAll(async () => {
    mesh = await TestMesh.start(undefined, { EMLOC_DATABASE_URL: url, EMLOC_COORDINATOR_ID: executor });
    jobs = new JobClient(mesh);
  });
  afterAll(() => mesh?.stop());

  test('a job goes on after its coordinator was killed, and can be deleted', async () => {
    const id = `postgres-${randomBytes(4).toString('hex')}`;
    await jobs.create(id, {
      model: { path: fixture },
      dataset: { source: { path: join(fixture, 'train.jsonl') } },
      training: { maxSteps: 200, batchSize: 2, gradientAccumulationSteps: 2 },
      lora: { r: 2, targetModules: ['q_proj'] },
      correctionMethod: 'CORRECTION_METHOD_NONE',
      refineSteps: 0,
    });
    await jobs.events(id, 0, trainsIn('train'));
    await mesh.kill('coordinator');
    await mesh.startService('coordinator');
    const job = await jobs.wait(id);
    expect({ state: job.status.state, error: errorOf(job) }).toEqual({
      state: 'JOB_STATE_SUCCEEDED',
      error: undefined,
    });
    await jobs.call['deleteFineTuneJob']!({ id });
    await expect(jobs.get(id)).rejects.toMatchObject({ reason: 'JOB_NOT_FOUND' });
  });

  test('a second coordinator sees the jobs of the first, stops them, and has jobs of its own', async () => {
    const address = await mesh.startReplica('coordinator', { EMLOC_COORDINATOR_ID: `${executor}-second` });
    const connection = connect<object>({
      address,
      package: 'emloc.coordinator.v1',
      service: 'FineTuneJobService',
    });
    onTestFinished(() => connection.close());
    const second = new JobClient({ client: () => connection as never });
    const spec = (maxSteps: number) => ({
      model: { path: fixture },
      dataset: { source: { path: join(fixture, 'train.jsonl') } },
      training: { maxSteps, batchSize: 2 },
      lora: { r: 2, targetModules: ['q_proj'] },
      correctionMethod: 'CORRECTION_METHOD_NONE',
      refineSteps: 0,
    });
    const long = `long-${randomBytes(4).toString('hex')}`;
    await jobs.create(long, spec(50_000));
    await jobs.events(long, 0, trainsIn('train'));
    expect((await second.get(long)).status.state).toBe('JOB_STATE_RUNNING');
    await second.call['cancelFineTuneJob']!({ id: long });
    expect((await jobs.wait(long)).status.state).toBe('JOB_STATE_CANCELLED');

    const own = `own-${randomBytes(4).toString('hex')}`;
    await second.create(own, spec(2));
    expect((await second.wait(own)).status.state).toBe('JOB_STATE_SUCCEEDED');
    expect((await jobs.get(own)).status.state).toBe('JOB_STATE_SUCCEEDED');
  });
});
