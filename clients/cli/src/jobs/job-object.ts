/** A job as machines read it: plain names, ISO times, seconds and bytes. */
import { fromStatusMessage } from '@emloc/mesh';
import { errorObject } from '../output/output.ts';
import { candidateObject } from '../stages/correct.ts';
import { evaluationObject } from '../stages/evaluate.ts';
import type { FineTuneJob, JobStage, JobState } from '../wire/job.ts';
import type { Timestamp } from '../wire/operation.ts';

export function jobObject({ id, createTime, status }: FineTuneJob): Record<string, unknown> {
  const { result, error } = status;
  return {
    id,
    state: stateName(status.state),
    created: isoTime(createTime),
    updated: isoTime(status.updateTime),
    ended: isoTime(status.endTime),
    remaining_seconds: status.remainingSeconds,
    stages: status.stages.map(stageObject),
    chosen: result?.chosen,
    candidates: result?.candidates.map(candidateObject),
    evaluation: result?.evaluation ? evaluationObject(result.evaluation) : undefined,
    error: error === null ? undefined : errorObject(fromStatusMessage(error)),
  };
}

export function stageObject(stage: JobStage): Record<string, unknown> {
  return {
    name: stage.name,
    state: stateName(stage.state),
    seconds: stageSeconds(stage),
    predicted_peak_bytes: stage.prediction?.peakResidentBytes,
    peak_bytes: stage.usage?.peakResidentBytes,
    peak_anonymous_bytes: stage.usage?.peakAnonymousBytes,
    note: stage.note === '' ? undefined : stage.note,
  };
}

export const stateName = (state: JobState): string => state.replace('JOB_STATE_', '').toLowerCase();

export function stageSeconds({ usage, startTime, endTime }: JobStage): number | undefined {
  if (usage !== null) return usage.wallSeconds;
  return startTime === null || endTime === null
    ? undefined
    : milliseconds(endTime) / 1e3 - milliseconds(startTime) / 1e3;
}

export const isoTime = (time: Timestamp | null): string | undefined =>
  time === null ? undefined : new Date(milliseconds(time)).toISOString();

const milliseconds = ({ seconds, nanos }: Timestamp): number => seconds * 1e3 + nanos / 1e6;
