export { startTelemetry, type Telemetry } from './start.ts';
export { currentTraceparent, runWithTraceparent, withSpan, type SpanHandle } from './spans.ts';
export { workerTelemetry, type WorkerRun } from './worker-telemetry.ts';
export type { SpanLine } from './json-lines-exporter.ts';
