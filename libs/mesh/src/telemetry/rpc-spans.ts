/** Spans of calls, by OpenTelemetry's semantic conventions for RPC: one at the caller, its child at the service. */
import { context, SpanKind, trace, type Context, type Span } from '@opentelemetry/api';
import type { Metadata } from '@grpc/grpc-js';
import { EmlocError } from '@emloc/errors';
import { numberOf } from '../errors/codes.ts';
import { contextOf, currentTraceparent, fail, tracer } from './spans.ts';

export interface RpcSpan {
  readonly traceId: string | undefined;
  /** Runs `fn` as part of the call. */
  run<T>(fn: () => T): T;
  end(error?: unknown): void;
}

/** The caller's side; the call's metadata gets the traceparent. */
export function clientSpan(path: string, address: string, metadata: Metadata): RpcSpan {
  const span = tracer().startSpan(path.slice(1), {
    kind: SpanKind.CLIENT,
    attributes: { ...attributesOf(path), ...serverOf(address) },
  });
  const rpc = rpcSpan(span, context.active());
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
  return rpcSpan(span, parent);
}

function rpcSpan(span: Span, parent: Context): RpcSpan {
  const own = trace.setSpan(parent, span);
  const { traceId } = span.spanContext();
  let ended = false;
  return {
    traceId: /^0+$/.test(traceId) ? undefined : traceId,
    run: (fn) => context.with(own, fn),
    end: (error) => {
      if (ended) return;
      ended = true;
      span.setAttribute(
        'rpc.grpc.status_code',
        error === undefined ? 0 : numberOf(EmlocError.from(error).code),
      );
      if (error !== undefined) fail(span, error);
      span.end();
    },
  };
}

function attributesOf(path: string): Record<string, string> {
  const [, service = '', method = ''] = path.split('/');
  return { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
}

function serverOf(address: string): Record<string, string | number> {
  if (address.startsWith('unix:')) return { 'server.address': address.slice(5) };
  const colon = address.lastIndexOf(':');
  return { 'server.address': address.slice(0, colon), 'server.port': Number(address.slice(colon + 1)) };
}
