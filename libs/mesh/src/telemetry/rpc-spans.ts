/** Calls as spans and metrics, by OpenTelemetry's semantic conventions for RPC: one span at the caller, its child at the service. */
import { context, SpanKind, trace, type Context, type Span } from '@opentelemetry/api';
import type { Metadata } from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';
import { recordCall, recordRetry, type Direction } from './rpc-metrics.ts';
import { contextOf, currentTraceparent, fail, tracer } from './spans.ts';

export interface RpcSpan {
  readonly traceId: string | undefined;
  /** Runs `fn` as part of the call. */
  run<T>(fn: () => T): T;
  /** Messages that pass unparsed, with their bytes counted. */
  counted<T>(direction: Direction, messages: AsyncIterable<T>): AsyncIterable<T>;
  /** The call failed and is made again. */
  retried(error: unknown): void;
  end(error?: unknown): void;
}

/** The caller's side; the call's metadata gets the traceparent. */
export function clientSpan(path: string, address: string, metadata: Metadata): RpcSpan {
  const span = tracer().startSpan(path.slice(1), {
    kind: SpanKind.CLIENT,
    attributes: { ...attributesOf(path), ...serverOf(address) },
  });
  const rpc = rpcSpan('client', path, span, context.active());
  const traceparent = rpc.run(currentTraceparent);
  if (traceparent !== undefined) metadata.set('traceparent', traceparent);
  return rpc;
}

/** The service's side, under the span that the metadata names. */
export function serverSpan(path: string, peer: string, metadata: Metadata): RpcSpan {
  const parent = contextOf(String(metadata.get('traceparent')[0] ?? '')) ?? context.active();
  const span = tracer().startSpan(
    path.slice(1),
    { kind: SpanKind.SERVER, attributes: { ...attributesOf(path), 'network.peer.address': peer } },
    parent,
  );
  return rpcSpan('server', path, span, parent);
}

function rpcSpan(side: 'client' | 'server', path: string, span: Span, parent: Context): RpcSpan {
  const own = trace.setSpan(parent, span);
  const { traceId } = span.spanContext();
  const method = path.slice(1);
  const begun = performance.now();
  const bytes = { transmit: 0, receive: 0 };
  let ended = false;
  return {
    traceId: /^0+$/.test(traceId) ? undefined : traceId,
    run: (fn) => context.with(own, fn),
    async *counted(direction, messages) {
      for await (const message of messages) {
        if (message instanceof Uint8Array) bytes[direction] += message.byteLength;
        yield message;
      }
    },
    retried: (error) => {
      span.addEvent('retry', { 'error.type': EmlocError.from(error).code });
      recordRetry(method);
    },
    end: (error) => {
      if (ended) return;
      ended = true;
      const status = error === undefined ? 'OK' : EmlocError.from(error).code;
      span.setAttribute('rpc.status_code', status);
      if (bytes.transmit > 0) span.setAttribute('emloc.stream.transmit_bytes', bytes.transmit);
      if (bytes.receive > 0) span.setAttribute('emloc.stream.receive_bytes', bytes.receive);
      if (error !== undefined) {
        span.setAttribute('error.type', status);
        fail(span, error);
      }
      recordCall({ side, method, status, seconds: (performance.now() - begun) / 1000, bytes });
      span.end();
    },
  };
}

const attributesOf = (path: string): Record<string, string> => ({
  'rpc.system.name': 'grpc',
  'rpc.method': path.slice(1),
});

function serverOf(address: string): Record<string, string | number> {
  if (address.startsWith('unix:')) return { 'server.address': address.slice(5) };
  const colon = address.lastIndexOf(':');
  return { 'server.address': address.slice(0, colon), 'server.port': Number(address.slice(colon + 1)) };
}
