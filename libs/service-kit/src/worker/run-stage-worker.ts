/** The entry of a stage's `worker.ts`: its kinds of work, with their traces. */
import { workerTelemetry } from '@emloc/mesh/telemetry';
import { runWorker, type WorkerContext, type WorkerHandler } from '@emloc/operations';
import type { WorkerEvent } from '../operations/events.ts';
import { beginLaps, lap, lapOfEvent } from './laps.ts';

export function runStageWorker(
  service: string,
  handlers: Readonly<Record<string, WorkerHandler>>,
): Promise<never> {
  const traced = Object.entries(handlers).map(([kind, handler]) => [kind, withLaps(handler)] as const);
  return runWorker(Object.fromEntries(traced), { around: workerTelemetry(service) });
}

/** Small calls have a span each, and no laps. */
function withLaps(handler: WorkerHandler): WorkerHandler {
  return async (request, context) => {
    if (context.mode === 'warm') return handler(request, context);
    beginLaps();
    try {
      return (await handler(request, telling(context))) as unknown;
    } finally {
      lap('finish');
    }
  };
}

const telling = (context: WorkerContext): WorkerContext => ({
  ...context,
  emit: (event) => {
    context.emit(event);
    lapOfEvent(event as WorkerEvent);
  },
});
