/**
 * The trace of an operation's process. The operation's own span is its service's, which outlives the process; what the
 * process does are short spans under it, so that one that is killed leaves no orphans. A small call of a process that stays
 * has a span here. Each is handed to the service when it ends, which sends it with its own: the process needs no exporter,
 * and what it has handed over is kept when it is killed.
 */
import { readTelemetrySettings } from '../environment.ts';
import { addSpan, runWithTraceparent, withSpan } from '../spans.ts';
import type { SpanReport } from './span-report.ts';

/** As `runWorker` of @emloc/operations takes it in `around`; the shape is repeated here so that neither needs the other. */
export interface WorkerRun {
  readonly id: string;
  readonly kind: string;
  readonly attempt: number;
  readonly mode: 'operation' | 'warm';
  readonly traceparent: string | undefined;
  /** To the service, which passes it to `takeReport`. */
  readonly report: (report: object) => void;
}

let recording: Promise<void> | undefined;

export function workerTelemetry(service: string): <T>(run: WorkerRun, work: () => Promise<T>) => Promise<T> {
  return async (run, work) => {
    if (run.traceparent !== undefined && tracesAreWanted()) await (recording ??= record(service, run.report));
    const attributes = { 'emloc.operation.kind': run.kind };
    return runWithTraceparent(run.traceparent, async () => {
      if (run.mode === 'warm') return withSpan(`call ${run.kind}`, attributes, work);
      addSpan('start process', attributes, { startedAt: performance.timeOrigin });
      return work();
    });
  };
}

/** What is to be counted is counted by the service: it reads the events, and has the one port. */
function tracesAreWanted(): boolean {
  const traces = readTelemetrySettings(process.env)?.traces;
  return (traces?.directory ?? traces?.otlp) !== undefined;
}

async function record(service: string, report: (report: object) => void): Promise<void> {
  const { recordSpans } = await import('./record-spans.ts');
  const { pid } = process;
  recordSpans((span) => report({ service, pid, spans: [span] } satisfies SpanReport));
}
