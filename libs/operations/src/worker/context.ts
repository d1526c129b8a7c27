/** What the work sees of the outside. */
import type { EmlocError } from '@emloc/errors';

export interface WorkerContext {
  readonly id: string;
  readonly kind: string;
  readonly attempt: number;
  readonly mode: 'operation' | 'warm';
  /** The operation's directory; of a warm call '' (it has none, nor the two below). */
  readonly directory: string;
  readonly checkpointDir: string;
  readonly outputDir: string;
  /** Its reason is an EmlocError: OPERATION_CANCELLED, OPERATION_PAUSED or OPERATION_RELEASED. */
  readonly signal: AbortSignal;
  readonly traceparent: string | undefined;
  /** Serialized messages from the caller. */
  readonly input: AsyncIterable<Buffer>;
  /** Serialized messages to the caller; waits while it is slow. */
  readonly output: { write(frame: Uint8Array): Promise<void> };
  /** Appends to the operation's events; watchers see it within a moment. */
  emit(event: object): void;
  /** A checkpoint is written whole: another attempt begins there, so deaths before it count no more. */
  checkpointed(): void;
  log(line: string): void;
  /** Between layers or steps: lets a cancel in, and throws it. */
  yield(): Promise<void>;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- what a kind takes is between it and its service */
export type WorkerHandler = (request: any, context: WorkerContext) => Promise<unknown> | unknown;
/* eslint-enable */

export interface WorkerRun {
  readonly id: string;
  readonly kind: string;
  readonly attempt: number;
  readonly mode: 'operation' | 'warm';
  readonly traceparent: string | undefined;
  /** To `report` of the service's observer, at once; not kept. */
  readonly report: (what: object) => void;
}

export interface WorkerOptions {
  /** Around each piece of work: traces. */
  readonly around?: <T>(run: WorkerRun, work: () => Promise<T>) => Promise<T>;
}

/** Two turns of the event loop: in the first, what came over IPC is read; in the second its listeners have run. */
export async function letIn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  if (signal.aborted) throw signal.reason as EmlocError;
}
