/** A handler of ours as grpc-js wants it: context, span, errors, flow control and the end of every call. */
import { setMaxListeners } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import {
  type Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';
import type { Logger } from '../config/logger.ts';
import type { Method } from '../contracts/load-package.ts';
import { toStatus } from '../errors/to-status.ts';
import type { Limits } from '../limits.ts';
import { readAll } from '../streams/read-all.ts';
import { writeAll } from '../streams/write-all.ts';
import { serverSpan, type RpcSpan } from '../telemetry/rpc-spans.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import type { CallContext, Handler } from './handlers.ts';

export interface Host {
  readonly logger: Logger;
  readonly limits: Limits;
  readonly calls: CallsInFlight;
  readonly authorize: ((call: CallContext) => void | Promise<void>) | undefined;
}

type AnyCall = ServerUnaryCall<unknown, unknown> &
  ServerReadableStream<unknown, unknown> &
  ServerWritableStream<unknown, unknown> &
  ServerDuplexStream<unknown, unknown>;
type Answer = (error: Partial<StatusObject> | null, value?: unknown) => void;

export function serveCall(method: Method, handler: Handler, host: Host): UntypedHandleCall {
  return ((call: AnyCall, callback?: Answer) => {
    const answer: Answer = (error, value) => {
      if (callback !== undefined) callback(error, value);
      else if (error !== null) call.emit('error', error);
      else call.end();
    };
    void serve(method, handler, host, call, answer);
  }) as UntypedHandleCall;
}

async function serve(
  method: Method,
  handler: Handler,
  host: Host,
  call: AnyCall,
  answer: Answer,
): Promise<void> {
  const controller = host.calls.begin();
  setMaxListeners(0, controller.signal);
  const span = serverSpan(method.path, call.getPeer(), call.metadata);
  const deadline = deadlineOf(call);
  const cancel = (): void =>
    controller.abort(new EmlocError('CANCELLED', 'CALL_CANCELLED', 'the caller cancelled or went away'));
  const timer =
    deadline === undefined
      ? undefined
      : setTimeout(() => controller.abort(late()), deadline.getTime() - Date.now());
  call.on('cancelled', cancel);
  const context = contextOf(method, host, call, controller.signal, deadline, span);
  const startedMs = performance.now();
  let failure: unknown;
  try {
    await span.run(async () => {
      checkHeaders(call.metadata, host.limits.maxHeaderBytes);
      await host.authorize?.(context);
      const request = method.requestStream
        ? span.counted('receive', readAll(call as unknown as Readable, context.signal))
        : call.request;
      if (!method.responseStream) {
        const response: unknown = await raceAbort(Promise.resolve(handler(request, context)), context.signal);
        answer(null, response ?? {});
        return;
      }
      await writeAll(
        call as unknown as Writable,
        span.counted('transmit', handler(request, context) as AsyncIterable<unknown>),
        context.signal,
        host.limits.maxUnsentMessages,
      );
      answer(null);
    });
  } catch (error) {
    failure = error;
    answer(toStatus(error, span.traceId));
  } finally {
    clearTimeout(timer);
    call.off('cancelled', cancel);
    span.run(() => log(host.logger, method.path, performance.now() - startedMs, failure));
    span.end(failure);
    host.calls.end(controller);
  }
}

function contextOf(
  method: Method,
  host: Host,
  call: AnyCall,
  signal: AbortSignal,
  deadline: Date | undefined,
  span: RpcSpan,
): CallContext {
  const certificate = call.getAuthContext().sslPeerCertificate;
  const name = certificate?.subject?.CN;
  return {
    signal,
    draining: host.calls.draining,
    deadline,
    metadata: textOf(call.metadata),
    peer: call.getPeer(),
    identity: Array.isArray(name) ? name[0] : name,
    method: method.path,
    logger: host.logger,
    traceId: span.traceId,
  };
}

/** A unary call whose caller is gone ends at once, even where its handler does not listen to the signal. */
async function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    work.catch(() => {});
  }
}

function deadlineOf(call: AnyCall): Date | undefined {
  const deadline = call.getDeadline();
  const ms = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(ms) ? new Date(ms) : undefined;
}

function textOf(metadata: Metadata): Record<string, string> {
  const entries = Object.entries(metadata.getMap()).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(entries) as Record<string, string>;
}

function checkHeaders(metadata: Metadata, maxBytes: number): void {
  let size = 0;
  for (const [key, value] of Object.entries(metadata.getMap()))
    size += key.length + Buffer.byteLength(value) + 32;
  if (size <= maxBytes) return;
  throw new EmlocError(
    'RESOURCE_EXHAUSTED',
    'HEADERS_TOO_LARGE',
    `the metadata has ${size} bytes, the limit is ${maxBytes}`,
    {
      field: 'metadata',
      value: String(size),
      mend: 'send large values in the request',
    },
  );
}

function log(logger: Logger, method: string, ms: number, failure: unknown): void {
  const fields = { method, ms: Math.round(ms) };
  if (failure === undefined) return logger.debug(fields, 'call');
  const error = EmlocError.from(failure);
  if (error.code === 'INTERNAL') return logger.error({ ...fields, err: failure }, 'call failed');
  if (error.code === 'CANCELLED') return logger.debug(fields, 'call cancelled');
  logger.info({ ...fields, code: error.code, reason: error.reason }, error.describe());
}

const late = (): EmlocError =>
  new EmlocError('DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', 'the deadline of the call passed', {
    mend: 'give the call a longer deadline',
  });
