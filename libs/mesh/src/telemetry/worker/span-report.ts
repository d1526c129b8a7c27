/** What an operation's process tells its service of its spans, as JSON over the channel between the two. */
import type { Attributes, SpanKind, SpanStatus } from '@opentelemetry/api';

/** A span that has ended. Times are milliseconds of the epoch, with their fractions. */
export interface EndedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly parentSpanId: string;
  /** The parent is a span of the service. */
  readonly parentIsRemote: boolean;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly status: SpanStatus;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
}

export interface SpanEvent {
  readonly name: string;
  readonly atMs: number;
  readonly attributes: Attributes;
}

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly attributes: Attributes;
}

export interface SpanReport {
  /** `service.name` and `process.pid` of who made the spans. */
  readonly service: string;
  readonly pid: number;
  readonly spans: readonly EndedSpan[];
}

export const isSpanReport = (report: object): report is SpanReport => 'spans' in report;
