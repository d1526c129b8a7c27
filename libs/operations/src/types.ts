/** The words of this library: an operation, its states, its events. */
import type { EmlocError } from '@emloc/errors';

export type OperationState = 'QUEUED' | 'RUNNING' | 'PAUSED' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

/** States that end a watch. PAUSED, FAILED and CANCELLED can be resumed. */
export const isFinal = (state: OperationState): boolean => state !== 'QUEUED' && state !== 'RUNNING';

export type StopMode = 'cancel' | 'pause' | 'release';

/** Measured over all attempts; 0 where the system does not tell. */
export interface Usage {
  /** The largest resident memory of the process (VmHWM), mapped files included. */
  readonly peakRssBytes: number;
  /** The largest sampled anonymous resident memory: what cannot be dropped and read again from a file. */
  readonly peakRssAnonBytes: number;
  readonly wallMs: number;
}

export interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly state: OperationState;
  /** How often it was taken up. */
  readonly attempt: number;
  readonly request: unknown;
  readonly result?: unknown;
  readonly error?: EmlocError;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly usage?: Usage;
  /** Lines of its event log so far. */
  readonly cursor: number;
  /** What the worker emitted last. */
  readonly lastEvent?: unknown;
  readonly directory: string;
  readonly traceparent?: string;
}

export interface OperationEvent {
  /** The number of the line, from 1. */
  readonly cursor: number;
  readonly at: Date;
  readonly attempt: number;
  readonly state?: OperationState;
  readonly event?: unknown;
  readonly error?: EmlocError;
  readonly usage?: Usage;
}
