/**
 * The trace of an operation's process. The operation's own span is its service's, which outlives the process; what the
 * process does are short spans under it, so that one that is killed leaves no orphans. A small call of a process that stays
 * has a span here.
 */
import { startTelemetry } from './start.ts';
import { addSpan, runWithTraceparent, withSpan } from './spans.ts';

/** As `runWorker` of @emloc/operations takes it in `around`; the shape is repeated here so that neither needs the other. */
export interface WorkerRun {
  readonly id: string;
  readonly kind: string;
  readonly attempt: number;
  readonly mode: 'operation' | 'warm';
  readonly traceparent: string | undefined;
}

export function workerTelemetry(service: string): <T>(run: WorkerRun, work: () => Promise<T>) => Promise<T> {
  return async (run, work) => {
    // What is to be counted is counted by the service: it reads the events, and has the one port.
    const telemetry = await startTelemetry({ service, metrics: false });
    const attributes = { 'emloc.operation.kind': run.kind };
    return runWithTraceparent(run.traceparent, async () => {
      if (run.mode === 'warm') return withSpan(`call ${run.kind}`, attributes, work);
      addSpan('start process', attributes, { startedAt: performance.timeOrigin });
      try {
        return await work();
      } finally {
        await telemetry.shutdown();
      }
    });
  };
}
