/** Spans of our own making and the W3C context that carries a trace across processes, jobs and restarts. */
import { createHash } from 'node:crypto';
import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  type TimeInput,
} from '@opentelemetry/api';

export type { Attributes };

/** What a span is to those who do not know OpenTelemetry. */
export interface SpanHandle {
  readonly traceId: string;
  readonly spanId: string;
  setAttribute(key: string, value: string | number | boolean): void;
  addEvent(name: string, attributes?: Attributes): void;
}

export interface SpanOptions {
  /**
   * What the span is about, such as `operation/ID/2`: its id is a digest of that. A span of work that outlives its process
   * is begun again under the same id by the process that goes on with it, and ended there.
   */
  readonly key?: string;
  /** Where it began before this process knew of it. */
  readonly startedAt?: Date | number;
  /** Keys of spans of the same trace that this one goes on from. */
  readonly continues?: readonly string[];
  /** Asked when the work has returned: true leaves the span open, for another process to end. */
  readonly goesOnElsewhere?: () => boolean;
}

const tracer = () => trace.getTracer('@emloc/mesh');

let chosenId: string | undefined;

/** The id of the span that is being made, where it has one of its own; for the SDK's id generator. */
export function takeChosenId(): string | undefined {
  const id = chosenId;
  chosenId = undefined;
  return id;
}

/** Runs `fn` in a span of its own, under the current one; a failure is recorded and passed on. */
export async function withSpan<T>(
  name: string,
  attributes: Attributes,
  fn: (span: SpanHandle) => T | Promise<T>,
  options: SpanOptions = {},
): Promise<T> {
  const span = begin(name, attributes, options);
  try {
    return await context.with(trace.setSpan(context.active(), span), async () => fn(handleOf(span)));
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    if (options.goesOnElsewhere?.() !== true) span.end();
  }
}

/** A span of what has happened already: from `startedAt` to `endedAt` (default now). */
export function addSpan(
  name: string,
  attributes: Attributes,
  options: SpanOptions & { readonly endedAt?: Date | number; readonly error?: unknown },
): void {
  const span = begin(name, attributes, options);
  if (options.error !== undefined) fail(span, options.error);
  span.end(options.endedAt);
}

/** Says of the current span that the work with that key, in another trace maybe, goes on because of it. */
export function linkCurrentSpan(traceparent: string | undefined, key: string): void {
  const other = spanContextOf(traceparent);
  if (other === undefined) return;
  trace.getActiveSpan()?.addLink({ context: { ...other, spanId: spanIdOf(key) } });
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
  const spanContext = spanContextOf(traceparent);
  return spanContext === undefined ? undefined : trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

/** The id of the span of that key: 8 bytes of its digest. */
export function spanIdOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? '');
  const [, traceId, spanId, flags] = match ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  const spanContext = { traceId, spanId, traceFlags, isRemote: true };
  return trace.isSpanContextValid(spanContext) ? spanContext : undefined;
}

function begin(name: string, attributes: Attributes, options: SpanOptions): Span {
  const { key, startedAt, continues = [] } = options;
  const current = trace.getSpanContext(context.active());
  const links: Link[] =
    current === undefined
      ? []
      : continues.map((each) => ({ context: { ...current, spanId: spanIdOf(each) } }));
  const startTime: TimeInput | undefined = startedAt;
  chosenId = key === undefined ? undefined : spanIdOf(key);
  try {
    return tracer().startSpan(name, { attributes, links, ...(startTime === undefined ? {} : { startTime }) });
  } finally {
    chosenId = undefined;
  }
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
