/** How an operation ended, and its events as the job's log keeps them. */
import { EmlocError } from '@emloc/errors';
import { fromStatusMessage, type StatusMessage } from '@emloc/mesh';
import { errorToJson, type ErrorJson } from '@emloc/operations';
import type { OperationResult } from '@emloc/service-kit';
import type { StoredOperationEvent } from '../jobs/job.ts';
import { pruned } from '../jobs/pruned.ts';

export type Outcome<T> =
  | { readonly status: 'succeeded'; readonly result: T }
  | { readonly status: 'failed'; readonly error: ErrorJson }
  | { readonly status: 'stopped'; readonly as: 'PAUSED' | 'CANCELLED' };

export interface OperationAsSeen {
  readonly id: string;
  readonly state: string;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: StatusMessage | null;
}

/** Undefined while it has not ended. */
export function outcomeOf(operation: OperationAsSeen): Outcome<OperationResult> | undefined {
  switch (operation.state.replace('OPERATION_STATE_', '')) {
    case 'QUEUED':
    case 'RUNNING':
      return undefined;
    case 'SUCCEEDED':
      return { status: 'succeeded', result: pruned(operation.result) as OperationResult };
    case 'PAUSED':
      return { status: 'stopped', as: 'PAUSED' };
    case 'CANCELLED':
      return { status: 'stopped', as: 'CANCELLED' };
    default:
      return { status: 'failed', error: errorToJson(errorOf(operation)) };
  }
}

/** Whether it can be resumed. */
export const isStopped = (state: string): boolean => /_(FAILED|CANCELLED|PAUSED)$/.test(state);

function errorOf({ id, state, error }: OperationAsSeen): EmlocError {
  if (error) return fromStatusMessage(error);
  return new EmlocError('INTERNAL', 'OPERATION_LOST', `${id} ended as ${state} without saying why`);
}

/** Errors hold bytes on the wire; in the log they are JSON. */
export function toStored(
  event: Readonly<Record<string, unknown>> & { readonly cursor: number },
): StoredOperationEvent {
  const change = event['stateChanged'] as { state: string; error?: StatusMessage | null } | null | undefined;
  const kept = pruned({ ...event, stateChanged: undefined }) as StoredOperationEvent;
  if (change === undefined || change === null) return kept;
  const rest = pruned({ ...change, error: undefined }) as { state: string };
  const stateChanged = change.error ? { ...rest, error: errorToJson(fromStatusMessage(change.error)) } : rest;
  return { ...kept, stateChanged };
}
