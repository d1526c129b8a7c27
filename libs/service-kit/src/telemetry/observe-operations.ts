/**
 * An operation as its service sees it: a span of its own, that outlives the process and even the service (whoever takes the
 * operation over ends the span that was left open), two lines in the log, and metrics.
 */
import {
  addSpan,
  currentTraceparent,
  runWithTraceparent,
  takeReport,
  withSpan,
  type Logger,
} from '@emloc/mesh';
import type { AttemptEnd, AttemptRun, OperationObserver } from '@emloc/operations';
import type { WorkerEvent } from '../operations/events.ts';
import { countBegin, countEnd, countEvent } from './operation-metrics.ts';

export function observeOperations(logger: Logger): OperationObserver {
  return {
    around: (run, work) =>
      runWithTraceparent(run.traceparent, () => {
        const { id, kind, attempt, lost, queuedAt } = run;
        const name = `operation ${kind}`;
        if (lost !== undefined) addLost(name, run);
        addSpan(`queue ${kind}`, attributesOf(run), { startedAt: queuedAt });
        countBegin(run);
        const continues = attempt > 1 ? [keyOf(id, attempt - 1)] : [];
        const options = { key: keyOf(id, attempt), continues };
        return withSpan(
          name,
          attributesOf(run),
          async (span) => {
            const begun = performance.now();
            logger.info({ operation: id, kind, attempt }, 'operation running');
            const end = await work(currentTraceparent());
            const seconds = (performance.now() - begun) / 1000;
            span.setAttribute('emloc.operation.state', end.state);
            if (end.usage !== undefined) span.setAttribute('emloc.memory.peak_bytes', end.usage.peakRssBytes);
            if (end.error !== undefined) span.setAttribute('error.type', end.error.reason);
            countEnd(run, end, seconds);
            logEnd(logger, run, end, seconds);
            return end;
          },
          options,
        );
      }),
    event: (run, event) => countEvent(run, event as WorkerEvent),
    report: (_run, what) => takeReport(what),
  };
}

/** Attempts of one operation are told apart: each is a span. */
const keyOf = (id: string, attempt: number): string => `operation/${id}/${attempt}`;

const attributesOf = ({ id, kind, attempt }: Pick<AttemptRun, 'id' | 'kind' | 'attempt'>) => ({
  'emloc.operation.id': id,
  'emloc.operation.kind': kind,
  'emloc.operation.attempt': attempt,
});

/** What the process that died could not send. */
function addLost(name: string, run: AttemptRun): void {
  const { id, lost } = run;
  if (lost === undefined) return;
  addSpan(
    name,
    { ...attributesOf({ ...run, attempt: lost.attempt }), 'emloc.operation.state': 'LOST' },
    {
      key: keyOf(id, lost.attempt),
      continues: lost.attempt > 1 ? [keyOf(id, lost.attempt - 1)] : [],
      startedAt: lost.startedAt,
      endedAt: lost.lastSeenAt,
      error: new Error('its service ended while it ran'),
    },
  );
}

function logEnd(logger: Logger, { id, kind, attempt }: AttemptRun, end: AttemptEnd, seconds: number): void {
  const fields = { operation: id, kind, attempt, state: end.state, seconds: Math.round(seconds * 10) / 10 };
  const { error } = end;
  if (error === undefined) return logger.info(fields, 'operation ended');
  const level = error.code === 'CANCELLED' ? 'info' : 'warn';
  logger[level]({ ...fields, code: error.code, reason: error.reason }, error.message);
}
