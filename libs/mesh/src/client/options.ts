/** What a caller may say about a connection and about one call. */
import type { Logger } from '../config/logger.ts';
import type { TlsFiles } from '../tls/credentials.ts';

export interface RetryPolicy {
  /** Tries in all, the first included; 1: never again. */
  readonly attempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
}

export const defaultRetry: RetryPolicy = { attempts: 4, initialMs: 100, maxMs: 2000 };

export interface ConnectOptions {
  readonly address: string;
  readonly package: string;
  readonly service: string;
  readonly tls?: TlsFiles;
  /** For unary and client-stream calls that say nothing; 0: none. */
  readonly deadlineMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly maxMessageBytes?: number;
  readonly logger?: Logger;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** The call may be repeated although its contract does not say so. */
  readonly idempotent?: boolean;
}
