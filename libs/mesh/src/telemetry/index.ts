export { startTelemetry, takeReport, type Telemetry, type TelemetryOptions } from './start.ts';
export {
  addSpan,
  currentTraceparent,
  linkCurrentSpan,
  runWithTraceparent,
  withSpan,
  type Attributes,
  type SpanHandle,
  type SpanOptions,
} from './spans.ts';
export {
  counter,
  gauge,
  histogram,
  observe,
  type Counter,
  type MetricOptions,
  type Observation,
  type Recorder,
} from './metrics.ts';
export { workerTelemetry, type WorkerRun } from './worker/worker-telemetry.ts';
export type { SpanLine } from './json-lines-exporter.ts';
