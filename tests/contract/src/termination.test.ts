/** What an orchestrator does to a service: it says where to listen, stops it with SIGTERM, and starts another. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connect, type Connection } from '@emloc/mesh';
import { StageClient, type Methods } from './support/operations.ts';
import { fixture, TestMesh } from './support/test-mesh.ts';

const steps = 200;

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await TestMesh.start(['training'], { EMLOC_STOP_GRACE_MS: '120000' });
});
afterAll(() => mesh?.stop());

const stepsOf = (events: readonly Record<string, unknown>[]): number[] =>
  events.flatMap(({ trainingStep }) =>
    trainingStep == null ? [] : [(trainingStep as { readonly step: number }).step],
  );

test('SIGTERM leaves a training queued at its last step, whatever save_steps is, and the next process goes on', async () => {
  const client = new StageClient(mesh, 'training');
  const id = 'terminated';
  await client.call['startTraining']!({
    operationId: id,
    model: { path: fixture },
    dataset: { source: { path: join(fixture, 'train.jsonl') } },
    lora: { r: 2, targetModules: ['q_proj'] },
    options: { maxSteps: steps, batchSize: 2, saveSteps: 0 },
  });
  const before: Record<string, unknown>[] = [];
  for await (const { event } of client.operations['watchOperation']!({ id, afterCursor: 0 })) {
    before.push(event);
    if (stepsOf([event]).includes(5)) break;
  }
  expect(await mesh.stopService('training')).toEqual({ code: 0, signal: null });

  await mesh.startService('training');
  const again = new StageClient(mesh, 'training');
  expect(await again.wait(id)).toMatchObject({ state: 'OPERATION_STATE_SUCCEEDED', attempt: 2 });
  const events = await again.events(id);
  // Each step once: none was lost, none done twice.
  expect(stepsOf(events)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
  const states = events.flatMap(({ stateChanged }) =>
    stateChanged == null ? [] : [(stateChanged as { readonly state: string }).state.slice(16)],
  );
  expect(states).toEqual(['QUEUED', 'RUNNING', 'QUEUED', 'RUNNING', 'SUCCEEDED']);
});

test('a service listens where it is told, which need not be where others call it', async () => {
  const called = mesh.address('training');
  const listened = await mesh.startReplica('training', {
    EMLOC_TRAINING_ADDRESS: 'training.invalid:50553',
    EMLOC_LISTEN_ADDRESS: '127.0.0.1:0',
  });
  expect(listened).not.toBe(called);
  const contract = { package: 'emloc.operation.v1', service: 'OperationService' };
  const replica: Connection<Methods> = connect({ address: listened, ...contract });
  const { operations } = await replica.call['listOperations']!({});
  replica.close();
  expect(operations).toHaveLength(1);
});

test('an operation over the memory that its service lets it have is ended alone, and says so', async () => {
  const narrow = await TestMesh.start(['training'], { EMLOC_OPERATION_MEMORY_BYTES: String(32 * 2 ** 20) });
  onTestFinished(() => narrow.stop());
  const client = new StageClient(narrow, 'training');
  const work = client.run('startTraining', {
    operationId: 'large',
    model: { path: fixture },
    dataset: { source: { path: join(fixture, 'train.jsonl') } },
    options: { maxSteps: 2, batchSize: 2 },
  });
  await expect(work).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'MEMORY_LIMIT_EXCEEDED' });
  // The service itself is as it was.
  const { operation } = (await client.operations['getOperation']!({ id: 'large' })) as {
    operation: { attempt: number };
  };
  expect(operation.attempt).toBe(1);
});
