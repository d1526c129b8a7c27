/** What can be done wrong with operations and jobs. */
import type { ServiceName } from '@emloc/mesh';
import { call, correction, jobs, onOperation, training, type Call, type Case } from '../case.ts';
import { fixtureAdapter, model, noArtifact, trainRows, type Files } from '../files.ts';

/** So many wait beside the one that runs, unless a service is told otherwise. */
const mostWaiting = 16;

const operationReached = (service: ServiceName, id: string, state: string): Call => ({
  ...onOperation('Get', id, service),
  until: { path: ['operation', 'state'], value: `OPERATION_STATE_${state}` },
});

export const workCases = (files: Files): Case[] => [
  ...endedCases(files),
  ...endlessCases(files),
  ...jobCases(files),
];

/** About no operation, and about one that has succeeded. */
function endedCases(files: Files): Case[] {
  const id = files.id('merged');
  const merged: Pick<Case, 'before'> = {
    before: [
      call(`${correction}/StartMerge`, { operationId: id, model, adapter: { path: fixtureAdapter } }),
      operationReached('correction', id, 'SUCCEEDED'),
    ],
  };
  return [
    {
      reason: 'OPERATION_NOT_FOUND',
      code: 'NOT_FOUND',
      field: 'id',
      value: 'nobody',
      call: onOperation('Get', 'nobody'),
    },
    {
      reason: 'OPERATION_NOT_RESUMABLE',
      code: 'FAILED_PRECONDITION',
      field: 'id',
      value: id,
      ...merged,
      call: onOperation('Resume', id, 'correction'),
    },
    {
      reason: 'KIND_UNKNOWN',
      code: 'INVALID_ARGUMENT',
      field: 'kind',
      value: 'merge',
      ...merged,
      call: onOperation('Resume', id, 'training'),
    },
    {
      reason: 'CURSOR_BEYOND_END',
      code: 'OUT_OF_RANGE',
      field: 'after_cursor',
      value: '1000000',
      ...merged,
      call: onOperation('Watch', id, 'correction', { afterCursor: 1_000_000 }),
    },
  ];
}

/** About one training without an end, which the cases share in this order, and about as many as may wait. */
function endlessCases(files: Files): Case[] {
  const id = files.id('endless');
  const start = (operationId: string, seed = 1): Call =>
    call(`${training}/StartTraining`, {
      operationId,
      model,
      dataset: trainRows,
      lora: { r: 2, targetModules: ['q_proj'] },
      options: { maxSteps: 1_000_000, seed },
    });
  const waiting = Array.from({ length: mostWaiting + 1 }, (_, i) => files.id(`waiting-${i}`));
  const begun = { before: [start(id)], alone: true } as const;
  return [
    {
      reason: 'OPERATION_ID_INVALID',
      code: 'INVALID_ARGUMENT',
      field: 'id',
      value: 'a/b',
      call: start('a/b'),
    },
    {
      reason: 'OPERATION_ID_REUSED',
      code: 'ALREADY_EXISTS',
      field: 'operation_id',
      value: id,
      ...begun,
      call: start(id, 2),
    },
    {
      reason: 'OPERATION_ACTIVE',
      code: 'FAILED_PRECONDITION',
      field: 'id',
      value: id,
      ...begun,
      call: onOperation('Delete', id),
    },
    {
      reason: 'DEADLINE_EXCEEDED',
      code: 'DEADLINE_EXCEEDED',
      field: null,
      ...begun,
      call: { ...onOperation('Watch', id), timeoutSeconds: 0.2 },
    },
    {
      reason: 'OPERATION_PAUSED',
      code: 'CANCELLED',
      field: null,
      before: [start(id), onOperation('Pause', id)],
      wait: { service: 'training', id },
      alone: true,
    },
    {
      reason: 'OPERATION_CANCELLED',
      code: 'CANCELLED',
      field: null,
      before: [
        start(id),
        onOperation('Pause', id),
        operationReached('training', id, 'PAUSED'),
        onOperation('Resume', id),
        onOperation('Cancel', id),
      ],
      wait: { service: 'training', id },
      alone: true,
    },
    {
      reason: 'QUEUE_FULL',
      code: 'RESOURCE_EXHAUSTED',
      field: null,
      before: waiting.map((each) => start(each)),
      call: start(files.id('one-too-many')),
      after: [...waiting].reverse().map((each) => onOperation('Cancel', each)),
      alone: true,
    },
  ];
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
  const [reused, endless, failing] = [
    files.id('job-reused'),
    files.id('job-endless'),
    files.id('job-failing'),
  ];
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
      value: endless,
      before: [create(endless, 1_000_000)],
      call: on('Delete', endless),
      after: [on('Cancel', endless), reached(endless, 'CANCELLED')],
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
