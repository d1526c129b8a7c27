/**
 * Traces and metrics of a process, set up from OpenTelemetry's standard environment. Where nothing is configured nothing
 * is installed, nor even loaded. The processes of operations load none of it (`worker/`).
 */
import type { Logger } from 'pino';
import { readTelemetrySettings, type Env, type TelemetrySettings } from './environment.ts';
import { isSpanReport, type SpanReport } from './worker/span-report.ts';

export interface Telemetry {
  readonly enabled: boolean;
  /** Spans of a process that this one started. */
  takeSpans(report: SpanReport): void;
  /** Sends what is still held; waits 5 s at most. */
  shutdown(): Promise<void>;
}

export interface TelemetryOptions {
  /** `service.name`. */
  readonly service: string;
  readonly env?: Env;
  /** Without metrics: a process whose owner counts for it. */
  readonly metrics?: boolean;
  /** Hears of what could not be sent. */
  readonly logger?: Logger;
}

const off: Telemetry = { enabled: false, takeSpans: () => {}, shutdown: async () => {} };

let started: Promise<Telemetry> | undefined;

/** Starts telemetry for this process; a second call returns the first's, whatever its service name. */
export function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  started ??= start(options);
  return started;
}

/** What an operation's process handed over (`workerTelemetry`): sent with this process's own spans. */
export function takeReport(report: object): void {
  if (isSpanReport(report)) void started?.then((telemetry) => telemetry.takeSpans(report));
}

/** A process whose owner counts for it needs nothing where only metrics are wanted. */
function sends({ traces, metrics }: TelemetrySettings, options: TelemetryOptions): boolean {
  if ((traces.directory ?? traces.otlp) !== undefined) return true;
  return options.metrics !== false && (metrics.otlp ?? metrics.prometheus) !== undefined;
}

async function start(options: TelemetryOptions): Promise<Telemetry> {
  const settings = readTelemetrySettings(options.env ?? process.env);
  if (settings === undefined || !sends(settings, options)) return off;
  const { install } = await import('./install.ts');
  return install(settings, options);
}
