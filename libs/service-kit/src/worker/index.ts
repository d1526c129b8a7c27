/** What the processes of operations share. Imports no gRPC. */
export * from '../operations/events.ts';
export type { DatasetRequest, Precision, WeightLoading } from '../requests/stage-fields.ts';
export * from './data.ts';
export { lap } from './laps.ts';
export * from './memory.ts';
export * from './perform-stage.ts';
export * from './progress.ts';
export * from './run-stage-worker.ts';
export * from './store.ts';
export * from './tensors.ts';
