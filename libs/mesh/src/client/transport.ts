/** One attempt of each of gRPC's four kinds of call, as promises and iterables that fail with our errors. */
import type { Readable, Writable } from 'node:stream';
import type { Client, Metadata, ServiceError } from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';
import type { Method } from '../contracts/load-package.ts';
import { fromStatus } from '../errors/from-status.ts';
import { readAll } from '../streams/read-all.ts';
import { writeAll } from '../streams/write-all.ts';

export interface Attempt {
  readonly client: Client;
  readonly address: string;
  readonly method: Method;
  readonly metadata: Metadata;
  /** Epoch milliseconds, or Infinity. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  readonly encode: (message: unknown) => Buffer;
  readonly decode: (bytes: Buffer) => unknown;
}

interface Cancellable {
  cancel(): void;
}

export function unary(attempt: Attempt, request: unknown): Promise<unknown> {
  const { client, method, metadata, deadline, encode, decode } = attempt;
  return settle(attempt, (done) =>
    client.makeUnaryRequest(method.path, encode, decode, request, metadata, { deadline }, done),
  );
}

export function clientStream(
  attempt: Attempt,
  requests: AsyncIterable<unknown> | Iterable<unknown>,
): Promise<unknown> {
  const { client, method, metadata, deadline, encode, decode } = attempt;
  const stop = new AbortController();
  return settle(attempt, (done, fail) => {
    const answered: Done = (error, value) => {
      stop.abort(new EmlocError('CANCELLED', 'CALL_ENDED', 'the call has ended'));
      done(error, value);
    };
    const call = client.makeClientStreamRequest(
      method.path,
      encode,
      decode,
      metadata,
      { deadline },
      answered,
    );
    writeAll(call as Writable, requests, stop.signal).then(
      () => call.end(),
      (error: unknown) => {
        if (!stop.signal.aborted) fail(error);
        call.cancel();
      },
    );
    return call;
  });
}

export function serverStream(attempt: Attempt, request: unknown): AsyncGenerator<unknown, void, void> {
  const { client, method, metadata, deadline, encode, decode } = attempt;
  return responses(attempt, () =>
    client.makeServerStreamRequest(method.path, encode, decode, request, metadata, { deadline }),
  );
}

export function bidi(
  attempt: Attempt,
  requests: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<unknown, void, void> {
  const { client, method, metadata, deadline, encode, decode } = attempt;
  return responses(attempt, (stop, fail) => {
    const call = client.makeBidiStreamRequest(method.path, encode, decode, metadata, { deadline });
    writeAll(call as Writable, requests, stop).then(
      () => call.end(),
      (error: unknown) => {
        if (stop.aborted) return;
        fail(error);
        call.cancel();
      },
    );
    return call;
  });
}

type Done = (error: ServiceError | null, value?: unknown) => void;

/** A call with one answer. `fail` is for what went wrong on our side of it. */
function settle(
  attempt: Attempt,
  open: (done: Done, fail: (error: unknown) => void) => Cancellable,
): Promise<unknown> {
  const { signal } = attempt;
  return new Promise((resolve, reject) => {
    if (isAborted(signal)) return reject(cancelled(signal));
    let cancel = (): void => {};
    const done: Done = (error, value) => {
      signal?.removeEventListener('abort', cancel);
      if (error === null) resolve(value);
      else reject(isAborted(signal) ? cancelled(signal) : fromStatus(error, attempt.address));
    };
    const call = open(done, reject);
    cancel = () => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** A call with many answers; ends with its reader. */
async function* responses(
  attempt: Attempt,
  open: (stop: AbortSignal, fail: (error: unknown) => void) => Cancellable,
): AsyncGenerator<unknown, void, void> {
  const { signal } = attempt;
  if (isAborted(signal)) throw cancelled(signal);
  const stop = new AbortController();
  let ours: { readonly error: unknown } | undefined;
  const call = open(stop.signal, (error) => (ours ??= { error }));
  // The error event may come after the reader has gone.
  (call as unknown as Readable).on('error', () => {});
  const abort = (): void => stop.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    yield* readAll(call as unknown as Readable, stop.signal);
    if (ours !== undefined) throw ours.error;
  } catch (error) {
    if (ours !== undefined) throw ours.error;
    if (isAborted(signal)) throw cancelled(signal);
    throw isServiceError(error) ? fromStatus(error, attempt.address) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
    stop.abort();
    call.cancel();
  }
}

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && typeof (error as Partial<ServiceError>).details === 'string';

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted ?? false;

/** The signal's own reason where it is one of ours. */
function cancelled(signal: AbortSignal | undefined): EmlocError {
  const reason: unknown = signal?.reason;
  if (reason instanceof EmlocError) return reason;
  return new EmlocError('CANCELLED', 'CALL_CANCELLED', 'the call was cancelled', { cause: reason });
}
