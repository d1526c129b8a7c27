/** What a service implements: plain async functions and generators, or raw ones that see bytes. */
import type { Logger } from '../config/logger.ts';

export interface CallContext {
  /** Aborts when the caller cancelled or went away, the deadline passed, or a drain ran out. */
  readonly signal: AbortSignal;
  /** Aborts when the server begins to stop: an endless stream ends then, its client resumes elsewhere. */
  readonly draining: AbortSignal;
  readonly deadline: Date | undefined;
  /** Text metadata of the call, lower-case keys. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly peer: string;
  /** The common name of the caller's certificate, with mutual TLS. */
  readonly identity: string | undefined;
  /** `/emloc.training.v1.TrainingService/StartTraining` */
  readonly method: string;
  readonly logger: Logger;
  readonly traceId: string | undefined;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- what a handler takes and gives is its contract's affair */
export type UnaryHandler = (request: any, call: CallContext) => Promise<any> | any;
export type ServerStreamHandler = (request: any, call: CallContext) => AsyncIterable<any>;
export type ClientStreamHandler = (requests: AsyncIterable<any>, call: CallContext) => Promise<any>;
export type BidiHandler = (requests: AsyncIterable<any>, call: CallContext) => AsyncIterable<any>;
export type Handler = (request: any, call: CallContext) => any;
/* eslint-enable */

/** A handler whose requests, responses or both are serialized messages that pass without being parsed. */
export interface RawHandler {
  readonly handler: Handler;
  readonly rawRequests: boolean;
  readonly rawResponses: boolean;
}

export type Implementation = Readonly<Record<string, Handler | RawHandler>>;

interface Raw {
  (handler: Handler): RawHandler;
  responses(handler: Handler): RawHandler;
  requests(handler: Handler): RawHandler;
}

/** Requests and responses as Buffers; `raw.responses` and `raw.requests` only the one. */
export const raw: Raw = Object.assign(
  (handler: Handler): RawHandler => ({ handler, rawRequests: true, rawResponses: true }),
  {
    responses: (handler: Handler): RawHandler => ({ handler, rawRequests: false, rawResponses: true }),
    requests: (handler: Handler): RawHandler => ({ handler, rawRequests: true, rawResponses: false }),
  },
);

export const toRaw = (entry: Handler | RawHandler): RawHandler =>
  typeof entry === 'function' ? { handler: entry, rawRequests: false, rawResponses: false } : entry;
