/** One line of a log, of whatever origin: what a service wrote as JSON, what a process printed, what a job did. */
import { stateName } from '../jobs/job-object.ts';
import { formatBytes, formatNumber } from '../output/format.ts';
import type { FineTuneJobEvent } from '../wire/job.ts';
import type { OperationEvent, Timestamp } from '../wire/operation.ts';

export interface LogLine {
  /** When it was written; of a line without a time, when the one before it was. */
  readonly timeMs: number;
  /** A service, `mesh`, an operation's id, or `job ID`. */
  readonly source: string;
  /** `info`, `warn`, …; undefined where a process just printed something. */
  readonly level: string | undefined;
  readonly text: string;
  /** The line as it was written, as an object. */
  readonly object: object;
}

/** What a service wrote. Undefined for the line that only tells its starter that it is ready. */
export function serviceLine(source: string, line: string, beforeMs: number): LogLine | undefined {
  const object = parsed(line);
  if (object === undefined) return printedLine(source, line, beforeMs);
  if (object['ready'] === true) return undefined;
  const { level, time, name: _name, msg, pid: _pid, hostname: _host, span_id: _span, ...rest } = object;
  const { err, trace_id: trace, ...fields } = rest;
  const shown = Object.entries(
    trace === undefined ? fields : { ...fields, trace: String(trace).slice(0, 8) },
  );
  const words = shown.map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const stack = (err as { readonly stack?: string } | undefined)?.stack;
  const text = [[String(msg ?? ''), ...words].join(' '), ...(stack === undefined ? [] : [stack])].join('\n');
  return { timeMs: timeOf(time) ?? beforeMs, source, level: String(level ?? 'info'), text, object };
}

export const printedLine = (source: string, text: string, timeMs: number): LogLine => ({
  timeMs,
  source,
  level: undefined,
  text,
  object: { source, text },
});

/** What a job did, where it is worth a line: not its steps. */
export function jobLine(id: string, { time, ...event }: FineTuneJobEvent): LogLine | undefined {
  const said = ofJob(event);
  if (said === undefined) return undefined;
  const timeMs = millisecondsOf(time);
  const object = { time: new Date(timeMs).toISOString(), level: said.level, job: id, msg: said.text };
  return { timeMs, source: `job ${id}`, ...said, object };
}

interface Said {
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
}
const info = (text: string): Said => ({ level: 'info', text });

function ofJob({ stateChanged, stageChanged, stageEvent }: Omit<FineTuneJobEvent, 'time'>): Said | undefined {
  if (stateChanged) {
    const { state, error } = stateChanged;
    return error ? { level: 'error', text: `${stateName(state)}: ${error.message}` } : info(stateName(state));
  }
  if (stageChanged) {
    const { name, state, service, operationId, note } = stageChanged;
    const where = operationId === '' ? '' : ` (operation ${operationId} of ${service})`;
    return info(`${name}: ${stateName(state)}${where}${note === '' ? '' : `; ${note}`}`);
  }
  if (!stageEvent) return undefined;
  const said = ofOperation(stageEvent.event);
  return said && { ...said, text: `${stageEvent.stage}: ${said.text}` };
}

function ofOperation(event: OperationEvent): Said | undefined {
  if (event.notice) return { level: event.notice.warning ? 'warn' : 'info', text: event.notice.text };
  if (event.prediction) return info(`predicted peak ${formatBytes(event.prediction.peakResidentBytes)}`);
  if (event.trainingEvaluation) {
    const { step, loss } = event.trainingEvaluation;
    return info(`step ${step}: loss ${formatNumber(loss)} on the held-out rows`);
  }
  if (event.stateChanged?.error)
    return { level: 'warn', text: `attempt ${event.attempt}: ${event.stateChanged.error.message}` };
  return undefined;
}

const millisecondsOf = (time: Timestamp | null): number =>
  time === null ? 0 : time.seconds * 1e3 + time.nanos / 1e6;

function timeOf(time: unknown): number | undefined {
  const ms = typeof time === 'number' ? time : Date.parse(String(time));
  return Number.isFinite(ms) ? ms : undefined;
}

function parsed(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
