/** Operations and their events as emloc.operation.v1 says them. */
import { toStatusMessage } from '@emloc/mesh';
import type { Operation, OperationEvent, OperationState } from '@emloc/operations';
import { resourceName } from '../requests/resource-names.ts';
import type { OperationResult, Progress, ResourceUsage, WorkerEvent } from './events.ts';

export const toTimestamp = (date: Date): { seconds: number; nanos: number } => {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: (ms - seconds * 1000) * 1e6 };
};

export const fromTimestamp = ({ seconds, nanos }: { seconds: number; nanos: number }): Date =>
  new Date(seconds * 1000 + nanos / 1e6);

export const toProtoState = (state: OperationState): string => `OPERATION_STATE_${state}`;

export const operationStates = [
  'QUEUED',
  'RUNNING',
  'PAUSED',
  'SUCCEEDED',
  'FAILED',
  'CANCELLED',
] as const satisfies readonly OperationState[];

export function operationToProto(operation: Operation): object {
  const { error, result, usage, lastEvent } = operation;
  return {
    id: operation.id,
    name: resourceName('operations', operation.id),
    kind: operation.kind,
    state: toProtoState(operation.state),
    createTime: toTimestamp(operation.createdAt),
    updateTime: toTimestamp(operation.updatedAt),
    attempt: operation.attempt,
    cursor: operation.cursor,
    progress: progressOf(lastEvent as WorkerEvent | undefined),
    usage: usageToProto(usage),
    ...(operation.state === 'SUCCEEDED' ? { result: result as OperationResult } : {}),
    ...(operation.state === 'FAILED' && error !== undefined ? { error: toStatusMessage(error) } : {}),
  };
}

/** `final`: the operation as it ended, for the event that ends it. */
export function eventToProto(event: OperationEvent, final?: Operation): object {
  const base = { cursor: event.cursor, time: toTimestamp(event.at), attempt: event.attempt };
  if (event.state === undefined) return { ...base, ...(event.event as WorkerEvent) };
  const stateChanged = {
    state: toProtoState(event.state),
    usage: usageToProto(event.usage),
    ...(event.state === 'SUCCEEDED' ? { result: final?.result as OperationResult } : {}),
    ...((event.state === 'FAILED' || event.state === 'QUEUED') && event.error !== undefined
      ? { error: toStatusMessage(event.error) }
      : {}),
  };
  return { ...base, stateChanged };
}

function progressOf(event: WorkerEvent | undefined): Progress | undefined {
  return event !== undefined && 'progress' in event ? event.progress : undefined;
}

function usageToProto(usage: Operation['usage']): ResourceUsage | undefined {
  if (usage === undefined) return undefined;
  return {
    peakResidentBytes: usage.peakRssBytes,
    peakAnonymousBytes: usage.peakRssAnonBytes,
    wallSeconds: usage.wallMs / 1000,
  };
}
