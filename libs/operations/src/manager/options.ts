/** What an owner of operations may say, and what holds where it says nothing. */
import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import { EmlocError } from '@emloc/errors';
import type { OperationObserver } from './observer.ts';
import { defaultCancelGraceMs, defaultLeaseMs, defaultMaxConcurrent, defaultMaxQueued } from '../limits.ts';
import type { Operation } from '../types.ts';

/** What a kind's input may know of the operation that it feeds. */
export interface InputOrder {
  readonly id: string;
  readonly request: unknown;
  readonly traceparent: string | undefined;
}

export interface KindOptions {
  /** The file that calls `runWorker`. */
  readonly worker: URL | string;
  /**
   * Frames for the process of an operation, opened anew for each attempt, pulled as the process reads. `signal` aborts
   * when the process has ended. An error of its own fails the operation with that error.
   */
  readonly input?: (order: InputOrder, signal: AbortSignal) => AsyncIterable<Buffer>;
  /** Anonymous memory beyond which a process is ended. */
  readonly memoryLimitBytes?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface ManagerOptions {
  readonly stateDir: string;
  readonly kinds: Readonly<Record<string, KindOptions>>;
  readonly maxConcurrent?: number;
  readonly maxQueued?: number;
  readonly leaseMs?: number;
  readonly cancelGraceMs?: number;
  readonly owner?: string;
  readonly observer?: OperationObserver;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export function withDefaults(options: ManagerOptions): Required<ManagerOptions> {
  return {
    maxConcurrent: defaultMaxConcurrent,
    maxQueued: defaultMaxQueued,
    leaseMs: defaultLeaseMs,
    cancelGraceMs: defaultCancelGraceMs,
    owner: `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`,
    observer: {},
    env: {},
    ...options,
  };
}

export interface StartOptions {
  readonly id: string;
  readonly kind: string;
  /** JSON. */
  readonly request: unknown;
  readonly traceparent?: string;
  readonly memoryLimitBytes?: number;
}

export interface AttachOptions extends Omit<StartOptions, 'id'> {
  readonly id?: string;
  readonly input?: AsyncIterable<Buffer>;
  readonly signal?: AbortSignal;
  /** The directory stays for Get, List and Watch. */
  readonly keep?: boolean;
}

export interface ListOptions {
  readonly kind?: string;
  readonly state?: string | undefined;
  /** What else an operation must be. */
  readonly where?: (operation: Operation) => boolean;
  readonly pageSize?: number;
  readonly pageToken?: string | undefined;
}

export const queueFull = (maxQueued: number): EmlocError =>
  new EmlocError('RESOURCE_EXHAUSTED', 'QUEUE_FULL', `${maxQueued} operations wait already`, {
    mend: 'try again when one has ended',
  });
