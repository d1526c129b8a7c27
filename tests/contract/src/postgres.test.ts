/** The same coordinator on PostgreSQL. Runs where EMLOC_TEST_DATABASE_URL names one; it is shown as skipped elsewhere. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorOf, JobClient, trainsIn } from './support/jobs.ts';
import { fixture, TestMesh } from './support/test-mesh.ts';

const url = process.env['EMLOC_TEST_DATABASE_URL'];

describe.skipIf(url === undefined)('on PostgreSQL (EMLOC_TEST_DATABASE_URL)', () => {
  let mesh: TestMesh;
  let jobs: JobClient;
  beforeAll(async () => {
    // A name of its own, so that jobs of earlier runs on this database are not taken over.
    const executor = `test-${randomBytes(4).toString('hex')}`;
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
});
