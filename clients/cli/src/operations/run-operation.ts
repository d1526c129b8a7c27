/** Runs long work on a stage service: starts it, shows how far it is, waits; Ctrl-C pauses or cancels it there. */
import { randomBytes } from 'node:crypto';
import { EmlocError } from '@emloc/errors';
import { fromStatusMessage, resumeStream } from '@emloc/mesh';
import type { CommandContext } from '../context.ts';
import { Interrupted } from '../interrupted.ts';
import type { Connections, StageName } from '../mesh/connections.ts';
import type {
  OperationClient,
  OperationEvent,
  OperationResult,
  OperationStateChanged,
} from '../wire/operation.ts';
import { showEvent } from './show-event.ts';

/** A worker looks for a stop between layers or steps; then its service kills it. */
const stopsWithinMs = 60_000;

export interface OperationRun {
  readonly service: StageName;
  readonly id: string;
  /** Starts it, or lets it go on. */
  readonly begin: () => Promise<unknown>;
  /** Where a run that goes on stood: its earlier events, its pause among them, are not looked at again. */
  readonly fromCursor?: number;
  /** What Ctrl-C does: keep the checkpoint to go on from, or leave nothing. */
  readonly onInterrupt: 'pause' | 'delete';
  readonly onEvent?: (event: OperationEvent) => void;
}

/** An id that no other run has: what it does, when, and some chance. */
export function newId(kind: string): string {
  const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  return `${kind}-${time}-${randomBytes(3).toString('hex')}`;
}

export async function runOperation(
  context: CommandContext,
  connections: Connections,
  run: OperationRun,
): Promise<OperationResult> {
  const operations = await connections.operations(run.service);
  await run.begin();
  const end = await watch(context, operations, run);
  if (end.state === 'OPERATION_STATE_SUCCEEDED' && end.result !== null) {
    await operations.deleteOperation({ id: run.id });
    return end.result;
  }
  if (run.onInterrupt === 'delete') await operations.deleteOperation({ id: run.id });
  if (context.signal.aborted) throw new Interrupted();
  if (end.error !== null) throw fromStatusMessage(end.error);
  throw new EmlocError(
    'CANCELLED',
    'OPERATION_CANCELLED',
    `operation ${run.id} was stopped by somebody else`,
  );
}

/** To the event that ends it. */
async function watch(
  { output, signal }: CommandContext,
  operations: OperationClient,
  { id, fromCursor = 0, onInterrupt, onEvent }: OperationRun,
): Promise<OperationStateChanged> {
  const giveUp = new AbortController();
  const stop = (): void => {
    const asking =
      onInterrupt === 'pause' ? operations.pauseOperation({ id }) : operations.cancelOperation({ id });
    asking.catch((error: unknown) => giveUp.abort(error));
    setTimeout(() => giveUp.abort(), stopsWithinMs).unref();
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const events = resumeStream({
      open: (cursor, stopped) => operations.watchOperation({ id, afterCursor: cursor }, { signal: stopped }),
      cursorOf: ({ event }) => event.cursor,
      from: fromCursor,
      signal: giveUp.signal,
    });
    for await (const { event } of events) {
      onEvent?.(event);
      showEvent(output, event);
      if (event.stateChanged && endStates.has(event.stateChanged.state)) return event.stateChanged;
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
  throw new EmlocError('UNAVAILABLE', 'WATCH_ENDED', `the events of operation ${id} ended before it did`);
}

const endStates = new Set([
  'OPERATION_STATE_SUCCEEDED',
  'OPERATION_STATE_FAILED',
  'OPERATION_STATE_CANCELLED',
  'OPERATION_STATE_PAUSED',
]);
