/** Jobs as emloc.coordinator.v1 says them. */
import { toStatusMessage } from '@emloc/mesh';
import { errorFromJson, type ErrorJson } from '@emloc/operations';
import { resourceName, toTimestamp } from '@emloc/service-kit';
import type { JobStatus } from '../jobs/job-status.ts';
import type { Job, JobEvent, Stage, StageState, StoredError, StoredOperationEvent } from '../jobs/job.ts';

export const toProtoState = (state: StageState): string => `JOB_STATE_${state}`;

export function jobToProto(job: Job, status: JobStatus): object {
  return {
    id: job.id,
    name: resourceName('fineTuneJobs', job.id),
    createTime: toTimestamp(job.createdAt),
    spec: job.spec,
    status: {
      state: toProtoState(status.state),
      stages: status.stages.map(stageToProto),
      cursor: status.cursor,
      remainingSeconds: status.remainingSeconds,
      updateTime: toTimestamp(status.updatedAt ?? job.createdAt),
      endTime: status.endedAt === undefined ? undefined : toTimestamp(status.endedAt),
      result: status.result,
      error: errorToProto(status.error),
    },
  };
}

export function eventToProto({ cursor, at, body }: JobEvent): object {
  const base = { cursor, time: toTimestamp(at) };
  if ('stateChanged' in body) {
    const { state, result, error } = body.stateChanged;
    return { ...base, stateChanged: { state: toProtoState(state), result, error: errorToProto(error) } };
  }
  if ('stageChanged' in body) return { ...base, stageChanged: stageToProto(body.stageChanged) };
  const { stage, event } = body.stageEvent;
  return { ...base, stageEvent: { stage, event: operationEventToProto(event) } };
}

function stageToProto(stage: Stage): object {
  const { startedAt, endedAt, fromStore: _, ...rest } = stage;
  return {
    ...rest,
    state: toProtoState(stage.state),
    startTime: startedAt === undefined ? undefined : toTimestamp(new Date(startedAt)),
    endTime: endedAt === undefined ? undefined : toTimestamp(new Date(endedAt)),
  };
}

function operationEventToProto(event: StoredOperationEvent): object {
  const { stateChanged, ...rest } = event;
  if (stateChanged === undefined) return rest;
  return { ...rest, stateChanged: { ...stateChanged, error: errorToProto(stateChanged.error) } };
}

const errorToProto = (error: StoredError | undefined): object | undefined =>
  error === undefined ? undefined : toStatusMessage(errorFromJson(error as ErrorJson));
