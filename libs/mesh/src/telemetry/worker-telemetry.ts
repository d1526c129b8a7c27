/** The trace of an operation's process: continues its operation's, one span around the work, sent before it ends. */
import { startTelemetry } from './start.ts';
import { runWithTraceparent, withSpan } from './spans.ts';

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
    const telemetry = await startTelemetry({ service });
    const attributes = {
      'emloc.operation.id': run.id,
      'emloc.operation.kind': run.kind,
      'emloc.operation.attempt': run.attempt,
    };
    try {
      return await runWithTraceparent(run.traceparent, () =>
        withSpan(`${run.mode} ${run.kind}`, attributes, work),
      );
    } finally {
      if (run.mode === 'operation') await telemetry.shutdown();
    }
  };
}
