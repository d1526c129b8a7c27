/** Logs on stderr: one JSON object a line, or readable lines for people; each with the trace it belongs to. */
import { trace } from '@opentelemetry/api';
import { pino, type DestinationStream, type Logger } from 'pino';
import type { LogConfig } from './config.ts';

export type { Logger };

export interface LoggerOptions extends Partial<LogConfig> {
  readonly name: string;
  /** Where lines go; default stderr. */
  readonly destination?: DestinationStream;
}

export function createLogger(options: LoggerOptions): Logger {
  const format = options.format ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const out = options.destination ?? pino.destination({ fd: 2, sync: true });
  return pino(
    {
      name: options.name,
      level: options.level ?? 'info',
      mixin: traceIds,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    format === 'pretty' ? { write: (line: string) => void out.write(readable(line)) } : out,
  );
}

/** The names that OpenTelemetry's log correlation uses. */
function traceIds(): Record<string, string> {
  const context = trace.getActiveSpan()?.spanContext();
  return context === undefined ? {} : { trace_id: context.traceId, span_id: context.spanId };
}

const colours: Readonly<Record<string, number>> = {
  trace: 90,
  debug: 90,
  info: 36,
  warn: 33,
  error: 31,
  fatal: 31,
};

/** `12:04:31 INFO training: listening address=127.0.0.1:50553` */
function readable(line: string): string {
  const {
    level,
    time,
    name,
    msg,
    pid: _pid,
    hostname: _host,
    err,
    trace_id,
    span_id: _span,
    ...rest
  } = JSON.parse(line) as Record<string, unknown>;
  const label = String(level).toUpperCase();
  const colour = process.stderr.isTTY ? colours[String(level)] : undefined;
  const tag = colour === undefined ? label : `\u001b[${colour}m${label}\u001b[0m`;
  const fields = Object.entries(
    trace_id === undefined ? rest : { ...rest, trace: String(trace_id).slice(0, 8) },
  );
  const tail = fields.map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const stack = (err as { stack?: string } | undefined)?.stack;
  return `${String(time).slice(11, 19)} ${tag} ${String(name)}: ${String(msg ?? '')}${tail.join('')}\n${stack === undefined ? '' : `${stack}\n`}`;
}
