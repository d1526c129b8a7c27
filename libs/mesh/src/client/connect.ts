/** The one way to call a service: its methods as functions, with deadlines, retries, spans and our errors. */
import { Client, Metadata, type ChannelOptions } from '@grpc/grpc-js';
import '../quiet-grpc.ts';
import { serviceOf, type Method } from '../contracts/load-package.ts';
import { defaultDeadlineMs, keepaliveTimeMs, keepaliveTimeoutMs, limits } from '../limits.ts';
import { clientSpan, type RpcSpan } from '../telemetry/rpc-spans.ts';
import { clientCredentials } from '../tls/credentials.ts';
import { defaultRetry, type CallOptions, type ConnectOptions } from './options.ts';
import { untilReady } from './ready.ts';
import { attempts } from './retry.ts';
import { bidi, clientStream, serverStream, unary, type Attempt } from './transport.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- without an interface of the caller's a method takes anything */
export type AnyMethods = Record<string, (request?: any, options?: CallOptions) => any>;
/* eslint-enable */

/** The same methods on serialized messages: Buffers pass as they are, objects are encoded, answers are Buffers. */
export type RawMethods<T> = {
  readonly [K in keyof T]: T[K] extends (...args: never[]) => Promise<unknown>
    ? (request: RawRequest, options?: CallOptions) => Promise<Buffer>
    : (request: RawRequest, options?: CallOptions) => AsyncIterable<Buffer>;
};
type RawRequest = Buffer | object | AsyncIterable<Buffer | object>;

export interface Connection<T = AnyMethods> {
  readonly address: string;
  readonly call: T;
  readonly raw: RawMethods<T>;
  /** Until the service is connected and serves; UNAVAILABLE after `timeoutMs`. */
  ready(timeoutMs?: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

export function connect<T extends object = AnyMethods>(options: ConnectOptions): Connection<T> {
  const service = serviceOf(options.package, options.service);
  const client = new Client(options.address, clientCredentials(options.tls), channelOptions(options));
  const call: Record<string, unknown> = {};
  const raw: Record<string, unknown> = {};
  for (const method of service.methods.values()) {
    call[method.name] = caller(
      client,
      options,
      method,
      method.encodeRequest as (m: unknown) => Buffer,
      method.decodeResponse,
    );
    const encode = (message: unknown): Buffer =>
      Buffer.isBuffer(message) ? message : method.encodeRequest(message as object);
    raw[method.name] = caller(client, options, method, encode, (bytes) => bytes);
  }
  return {
    address: options.address,
    call: call as T,
    raw: raw as RawMethods<T>,
    ready: (timeoutMs = defaultDeadlineMs, signal) =>
      untilReady(client, options.address, service.name, timeoutMs, signal),
    close: () => client.close(),
  };
}

/** A name that is looked up, or a list: each address is a replica, and calls go to them in turn. */
const hasManyAddresses = /^(dns|ipv4|ipv6):/;
const inTurn = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

function channelOptions(options: ConnectOptions): ChannelOptions {
  const maxBytes = options.maxMessageBytes ?? limits.maxMessageBytes;
  const serverName = options.tls?.serverName;
  return {
    'grpc.max_receive_message_length': maxBytes,
    'grpc.max_send_message_length': maxBytes,
    'grpc.keepalive_time_ms': keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    // A service that restarts is back within seconds; gRPC's own first wait is one second and grows to two minutes.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
    // Repeating is ours (retry.ts), seen in spans and bounded by the call's deadline.
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    ...(hasManyAddresses.test(options.address) ? { 'grpc.service_config': inTurn } : {}),
    // The mesh's own addresses are never behind the proxy that the environment names for the world outside.
    'grpc.enable_http_proxy': 0,
    ...(serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  };
}

function caller(
  client: Client,
  options: ConnectOptions,
  method: Method,
  encode: Attempt['encode'],
  decode: Attempt['decode'],
): (request: unknown, callOptions?: CallOptions) => unknown {
  const policy = { ...defaultRetry, ...options.retry };
  const begin = (given: CallOptions, usualMs: number) => {
    const deadlineMs = given.deadlineMs ?? usualMs;
    const deadline = deadlineMs > 0 ? Date.now() + deadlineMs : Infinity;
    const idempotent = !method.requestStream && (given.idempotent ?? method.idempotent);
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(given.metadata ?? {})) metadata.set(key, value);
    const span = clientSpan(method.path, options.address, metadata);
    const attempt: Attempt = {
      client,
      address: options.address,
      method,
      metadata,
      deadline,
      signal: given.signal,
      encode,
      decode,
    };
    return { attempt, span, tries: attempts(policy, idempotent, given.signal, deadline) };
  };

  if (!method.responseStream) {
    return async (request, given = {}) => {
      const { attempt, span, tries } = begin(given, options.deadlineMs ?? defaultDeadlineMs);
      const once = (): Promise<unknown> =>
        method.requestStream
          ? clientStream(attempt, request as AsyncIterable<unknown>)
          : unary(attempt, request ?? {});
      return traced(span, async () => {
        for (;;) {
          try {
            return await span.run(once);
          } catch (error) {
            if (!(await tries.again(error))) throw error;
            span.retried(error);
            options.logger?.debug({ method: method.path, err: error }, 'tried again');
          }
        }
      });
    };
  }
  return async function* (request, given = {}) {
    const { attempt, span, tries } = begin(given, 0);
    let failure: unknown;
    let received = false;
    try {
      for (;;) {
        try {
          const stream = method.requestStream
            ? bidi(attempt, request as AsyncIterable<unknown>)
            : serverStream(attempt, request ?? {});
          for await (const message of span.counted('receive', stream)) {
            received = true;
            yield message;
          }
          return;
        } catch (error) {
          if (received || !(await tries.again(error))) throw error;
          span.retried(error);
        }
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      span.end(failure);
    }
  };
}

async function traced<T>(span: RpcSpan, fn: () => Promise<T>): Promise<T> {
  try {
    const result = await fn();
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
