/** What can be done wrong with operations and jobs. */
import type { ServiceName } from '@emloc/mesh';
import { call, jobs, onOperation, training, correction, type Call, type Case } from '../case.ts';
import { fixtureAdapter, model, noArtifact, trainRows, type Files } from '../files.ts';

const most = 16;

export function workCases(files: Files): Case[] {
  const endless = (id: string, seed = 1): { operationId: string } =>
    ({
      operationId: id,
      model,
      dataset: trainRows,
      lora: { r: 2, targetModules: ['q_proj'] },
      options: { maxSteps: 1_000_000, seed },
    }) as { operationId: string };
  const start = (id: string, seed?: number): Call => call(`${training}/StartTraining`, endless(id, seed));
  const on = (method: string, id: string, service: ServiceName = 'training'): Call =>
    onOperation(service, `${method}Operation`, { id });
  const reached = (service: ServiceName, id: string, state: string): Call => ({
    ...on('Get', id, service),
    until: { path: ['operation', 'state'], value: `OPERATION_STATE_${state}` },
  });
  const [merged, foreign] = [files.id('merged'), files.id('foreign')];
  const merge = (id: string): Call =>
    call(`${correction}/StartMerge`, { operationId: id, model, adapter: { path: fixtureAdapter } });
  const one = (name: string): { id: string; after: Call[] } => {
    const id = files.id(name);
    return { id, after: [on('Cancel', id), reached('training', id, 'CANCELLED')] };
  };
  const [reused, active, cancelled, paused, late] = ['reused', 'active', 'cancelled', 'paused', 'late'].map(
    one,
  ) as [
    ReturnType<typeof one>,
    ReturnType<typeof one>,
    ReturnType<typeof one>,
    ReturnType<typeof one>,
    ReturnType<typeof one>,
  ];
  const waiting = Array.from({ length: most + 1 }, (_, i) => files.id(`waiting-${i}`));
  return [
    {
      reason: 'OPERATION_ID_INVALID',
      code: 'INVALID_ARGUMENT',
      field: 'id',
      value: 'a/b',
      call: start('a/b'),
    },
    {
      reason: 'OPERATION_NOT_FOUND',
      code: 'NOT_FOUND',
      field: 'id',
      value: 'nobody',
      call: on('Get', 'nobody'),
    },
    {
      reason: 'OPERATION_ID_REUSED',
      code: 'ALREADY_EXISTS',
      field: 'operation_id',
      value: reused.id,
      before: [start(reused.id)],
      call: start(reused.id, 2),
      after: reused.after,
      alone: true,
    },
    {
      reason: 'OPERATION_ACTIVE',
      code: 'FAILED_PRECONDITION',
      field: 'id',
      value: active.id,
      before: [start(active.id)],
      call: on('Delete', active.id),
      after: active.after,
      alone: true,
    },
    {
      reason: 'OPERATION_CANCELLED',
      code: 'CANCELLED',
      field: null,
      before: [start(cancelled.id), on('Cancel', cancelled.id)],
      wait: { service: 'training', id: cancelled.id },
      alone: true,
    },
    {
      reason: 'OPERATION_PAUSED',
      code: 'CANCELLED',
      field: null,
      before: [start(paused.id), on('Pause', paused.id)],
      wait: { service: 'training', id: paused.id },
      alone: true,
    },
    {
      reason: 'DEADLINE_EXCEEDED',
      code: 'DEADLINE_EXCEEDED',
      field: null,
      before: [start(late.id)],
      call: { ...on('Watch', late.id), timeoutSeconds: 0.2 },
      after: late.after,
      alone: true,
    },
    {
      reason: 'QUEUE_FULL',
      code: 'RESOURCE_EXHAUSTED',
      field: null,
      before: waiting.map((id) => start(id)),
      call: start(files.id('one-too-many')),
      after: [...waiting].reverse().map((id) => on('Cancel', id)),
      alone: true,
    },
    {
      reason: 'OPERATION_NOT_RESUMABLE',
      code: 'FAILED_PRECONDITION',
      field: 'id',
      value: merged,
      before: [merge(merged), reached('correction', merged, 'SUCCEEDED')],
      call: on('Resume', merged, 'correction'),
    },
    {
      reason: 'KIND_UNKNOWN',
      code: 'INVALID_ARGUMENT',
      field: 'kind',
      value: 'merge',
      before: [merge(foreign), reached('correction', foreign, 'SUCCEEDED')],
      call: on('Resume', foreign, 'training'),
    },
    {
      reason: 'CURSOR_BEYOND_END',
      code: 'OUT_OF_RANGE',
      field: 'after_cursor',
      value: '1000000',
      ...beyond(files.id('beyond')),
    },
    ...jobCases(files),
  ];

  function beyond(id: string): Pick<Case, 'before' | 'call'> {
    return {
      before: [merge(id), reached('correction', id, 'SUCCEEDED')],
      call: onOperation('correction', 'WatchOperation', { id, afterCursor: 1_000_000 }),
    };
  }
}

function jobCases(files: Files): Case[] {
  const create = (id: string, steps: number, more: object = {}): Call =>
    call(`${jobs}/CreateFineTuneJob`, {
      id,
      spec: { model, dataset: trainRows, training: { maxSteps: steps }, refineSteps: steps, ...more },
    });
  const on = (method: string, id: string): Call => call(`${jobs}/${method}FineTuneJob`, { id });
  const reached = (id: string, state: string): Call => ({
    ...on('Get', id),
    until: { path: ['job', 'status', 'state'], value: `JOB_STATE_${state}` },
  });
  const [reused, active, stopping, failing] = ['reused', 'active', 'stopping', 'failing'].map((name) =>
    files.id(`job-${name}`),
  ) as [string, string, string, string];
  const broken = { dataset: { source: { artifact: { digest: noArtifact } } } };
  return [
    { reason: 'JOB_NOT_FOUND', code: 'NOT_FOUND', field: 'id', value: 'nobody', call: on('Get', 'nobody') },
    {
      reason: 'JOB_ID_REUSED',
      code: 'ALREADY_EXISTS',
      field: 'id',
      value: reused,
      before: [create(reused, 1, broken)],
      call: create(reused, 2, broken),
    },
    {
      reason: 'JOB_ACTIVE',
      code: 'FAILED_PRECONDITION',
      field: 'id',
      value: active,
      before: [create(active, 1_000_000)],
      call: on('Delete', active),
      after: [on('Cancel', active), reached(active, 'CANCELLED')],
      alone: true,
    },
    {
      reason: 'JOB_STOPPING',
      code: 'ABORTED',
      field: 'id',
      value: stopping,
      before: [create(stopping, 1_000_000), reached(stopping, 'RUNNING'), on('Pause', stopping)],
      call: on('Resume', stopping),
      after: [reached(stopping, 'PAUSED'), on('Cancel', stopping)],
      alone: true,
    },
    {
      reason: 'ARTIFACT_NOT_FOUND',
      about: 'a stage of a job says it',
      code: 'NOT_FOUND',
      field: 'dataset.source.artifact.digest',
      value: noArtifact,
      call: create(failing, 1, broken),
      wait: { service: 'coordinator', id: failing },
    },
  ];
}
