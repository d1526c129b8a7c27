/** Spans of our own making and the W3C context that carries a trace across processes, jobs and restarts. */
import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';

export type { Attributes };

/** What a span is to those who do not know OpenTelemetry. */
export interface SpanHandle {
  readonly traceId: string;
  readonly spanId: string;
  setAttribute(key: string, value: string | number | boolean): void;
  addEvent(name: string, attributes?: Attributes): void;
}

const tracer = () => trace.getTracer('@emloc/mesh');

/** Runs `fn` in a span of its own, under the current one; a failure is recorded and passed on. */
export async function withSpan<T>(
  name: string,
  attributes: Attributes,
  fn: (span: SpanHandle) => T | Promise<T>,
): Promise<T> {
  const span = tracer().startSpan(name, { attributes });
  try {
    return await context.with(trace.setSpan(context.active(), span), async () => fn(handleOf(span)));
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** `00-<trace id>-<span id>-01` of the current span; undefined outside of any. */
export function currentTraceparent(): string | undefined {
  const current = trace.getSpanContext(context.active());
  if (current === undefined || !trace.isSpanContextValid(current)) return undefined;
  return `00-${current.traceId}-${current.spanId}-${current.traceFlags.toString(16).padStart(2, '0')}`;
}

/** Spans inside `fn` continue that trace; with undefined, or with what is no traceparent, `fn` runs as it is. */
export function runWithTraceparent<T>(traceparent: string | undefined, fn: () => T): T {
  const parent = contextOf(traceparent);
  return parent === undefined ? fn() : context.with(parent, fn);
}

/** The context that a traceparent names. */
export function contextOf(traceparent: string | undefined): Context | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? '');
  const [, traceId, spanId, flags] = match ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  const spanContext = { traceId, spanId, traceFlags, isRemote: true };
  return trace.isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : undefined;
}

function handleOf(span: Span): SpanHandle {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    setAttribute: (key, value) => void span.setAttribute(key, value),
    addEvent: (name, attributes) => void span.addEvent(name, attributes),
  };
}

export function fail(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  span.recordException(error instanceof Error ? error : message);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

export { SpanKind, tracer };
