export { OperationManager } from './manager/operation-manager.ts';
export type { AttachedRun } from './manager/attached-run.ts';
export type {
  AttachOptions,
  InputOrder,
  KindOptions,
  ListOptions,
  ManagerOptions,
  StartOptions,
} from './manager/options.ts';
export type {
  AttemptEnd,
  AttemptRun,
  LostAttempt,
  OperationCount,
  OperationObserver,
} from './manager/observer.ts';
export type { Page } from './manager/pages.ts';
export { wasKilled } from './directory/deaths.ts';
export { layoutOf, type Layout } from './directory/layout.ts';
export { maxKilledAttempts } from './limits.ts';
export { isFinal } from './types.ts';
export type { Operation, OperationEvent, OperationState, Usage } from './types.ts';
export { runWorker } from './worker/run-worker.ts';
export type { WorkerContext, WorkerHandler, WorkerOptions, WorkerRun } from './worker/context.ts';
export { WarmWorker, type WarmWorkerOptions } from './warm/warm-worker.ts';
export { WarmPool, type WarmPoolOptions } from './warm/warm-pool.ts';
export type { WarmCall, WarmCallOptions } from './warm/warm-call.ts';
export { errorFromJson, errorToJson, type ErrorJson } from './error-json.ts';
