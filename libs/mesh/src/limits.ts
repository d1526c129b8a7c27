/**
 * Every limit of the wire, in one place, each with its reason. A service may set its own (`startServer({limits})`,
 * `EMLOC_LIMIT_*`); what exceeds one is refused with the size and the limit in the message.
 */
export interface Limits {
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxConcurrentCallsPerConnection: number;
  readonly maxUnsentMessages: number;
  readonly maxErrorTextBytes: number;
}

export const limits: Limits = Object.freeze({
  /** Tensors travel in chunks of 1 MiB; 4 MiB leaves room for headers and is what gRPC clients in other languages accept unasked. */
  maxMessageBytes: 4 * 1024 * 1024,
  /** Trace context, deadline and identity fit in 2 KiB; 16 KiB is what proxies in front of a mesh allow. */
  maxHeaderBytes: 16 * 1024,
  /** One connection must not hold all of a service: watchers and streams of one client number in tens. */
  maxConcurrentCallsPerConnection: 256,
  /** Messages handed to HTTP/2 and not yet taken by it, a stream: at 1 MiB each this bounds what a slow reader costs. */
  maxUnsentMessages: 4,
  /** Error details travel in a header; a text longer than this is cut, so that the whole stays below `maxHeaderBytes`. */
  maxErrorTextBytes: 2048,
});

/** A call without a deadline of its own waits so long: unary calls start or look up things, they never compute. */
export const defaultDeadlineMs = 30_000;

/** How long calls in flight may go on when a service stops: below the 30 s an orchestrator gives before it kills. */
export const defaultDrainMs = 10_000;

/** Then, how long operations may take to write a checkpoint: with the drain still below those 30 s. */
export const defaultStopGraceMs = 10_000;

/** How often a service looks whether it can work, and how long a look may take: below a probe's usual period. */
export const readinessEveryMs = 5_000;
export const readinessTimeoutMs = 4_000;

/** Refused calls may be repeated after so long (RetryInfo). */
export const retryDelayMs = 500;

/** Dead connections are noticed within the sum of these two, also where no data flows. */
export const keepaliveTimeMs = 20_000;
export const keepaliveTimeoutMs = 10_000;
