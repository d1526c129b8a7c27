/** Spans as JSON lines in a file, written as they end or are handed over, so that a killed process leaves what it had. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { SpanKind, SpanStatusCode, type HrTime } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node';

/** A line of the file. */
export interface SpanLine {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: string;
  readonly service: string;
  readonly pid: number;
  readonly startMs: number;
  readonly durationMs: number;
  readonly status: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events?: readonly { readonly name: string; readonly atMs: number }[];
  /** Spans that this one goes on from. */
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
}

export class JsonLinesExporter implements SpanExporter {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
  }

  export(spans: ReadableSpan[], done: (result: { code: number; error?: Error }) => void): void {
    try {
      appendFileSync(this.#path, spans.map((span) => `${JSON.stringify(lineOf(span))}\n`).join(''));
      done({ code: 0 });
    } catch (error) {
      done({ code: 1, error: error as Error });
    }
  }

  async shutdown(): Promise<void> {}
}

function lineOf(span: ReadableSpan): SpanLine {
  const { traceId, spanId } = span.spanContext();
  const parent = span.parentSpanContext?.spanId;
  return {
    traceId,
    spanId,
    ...(parent === undefined ? {} : { parentSpanId: parent }),
    name: span.name,
    kind: SpanKind[span.kind] ?? 'INTERNAL',
    service: String(span.resource.attributes['service.name']),
    pid: Number(span.resource.attributes['process.pid'] ?? process.pid),
    startMs: ms(span.startTime),
    durationMs: ms(span.duration),
    status: SpanStatusCode[span.status.code] ?? 'UNSET',
    attributes: span.attributes,
    ...(span.events.length === 0
      ? {}
      : { events: span.events.map((event) => ({ name: event.name, atMs: ms(event.time) })) }),
    ...(span.links.length === 0
      ? {}
      : { links: span.links.map(({ context: { traceId, spanId } }) => ({ traceId, spanId })) }),
  };
}

const ms = ([seconds, nanos]: HrTime): number => seconds * 1e3 + nanos / 1e6;
