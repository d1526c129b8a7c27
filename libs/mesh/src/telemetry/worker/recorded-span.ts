/** A span of OpenTelemetry's API that keeps what it is told, and gives it away when it ends. */
import {
  SpanStatusCode,
  type Attributes,
  type AttributeValue,
  type Exception,
  type Link,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  type TimeInput,
} from '@opentelemetry/api';
import type { EndedSpan, SpanEvent, SpanLink } from './span-report.ts';

export class RecordedSpan implements Span {
  readonly #context: SpanContext;
  readonly #parent: SpanContext;
  readonly #options: SpanOptions;
  readonly #startMs: number;
  readonly #attributes: Record<string, AttributeValue> = {};
  readonly #events: SpanEvent[] = [];
  readonly #links: SpanLink[] = [];
  readonly #give: (span: EndedSpan) => void;
  #name: string;
  #status: SpanStatus = { code: SpanStatusCode.UNSET };
  #ended = false;

  constructor(
    name: string,
    own: SpanContext,
    parent: SpanContext,
    options: SpanOptions,
    give: (span: EndedSpan) => void,
  ) {
    this.#name = name;
    this.#context = own;
    this.#parent = parent;
    this.#options = options;
    this.#startMs = millisecondsOf(options.startTime);
    this.#give = give;
    this.setAttributes(options.attributes ?? {});
    this.addLinks(options.links ?? []);
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return !this.#ended;
  }

  setAttribute(key: string, value: AttributeValue | undefined): this {
    if (value !== undefined && !this.#ended) this.#attributes[key] = value;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    for (const [key, value] of Object.entries(attributes)) this.setAttribute(key, value);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    const isTime = isTimeInput(attributesOrTime);
    const atMs = millisecondsOf(isTime ? attributesOrTime : time);
    const attributes = isTime ? {} : (attributesOrTime ?? {});
    if (!this.#ended) this.#events.push({ name, atMs, attributes });
    return this;
  }

  addLink({ context: { traceId, spanId, traceFlags }, attributes = {} }: Link): this {
    if (!this.#ended) this.#links.push({ traceId, spanId, traceFlags, attributes });
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  setStatus(status: SpanStatus): this {
    if (!this.#ended) this.#status = status;
    return this;
  }

  updateName(name: string): this {
    if (!this.#ended) this.#name = name;
    return this;
  }

  /** An event, by the conventions for exceptions. */
  recordException(exception: Exception, time?: TimeInput): void {
    const { code, name, message, stack } =
      typeof exception === 'string' ? { message: exception } : (exception as Partial<ErrorParts>);
    const type = code?.toString() ?? name;
    const about = { 'exception.type': type, 'exception.message': message, 'exception.stacktrace': stack };
    this.addEvent('exception', about, time);
  }

  end(endTime?: TimeInput): void {
    if (this.#ended) return;
    this.#ended = true;
    const { traceId, spanId, traceFlags } = this.#context;
    this.#give({
      traceId,
      spanId,
      traceFlags,
      parentSpanId: this.#parent.spanId,
      parentIsRemote: this.#parent.isRemote === true,
      name: this.#name,
      kind: this.#options.kind ?? 0,
      startMs: this.#startMs,
      endMs: Math.max(millisecondsOf(endTime), this.#startMs),
      attributes: this.#attributes,
      status: this.#status,
      events: this.#events,
      links: this.#links,
    });
  }
}

interface ErrorParts {
  readonly code: string | number;
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

const isTimeInput = (value: unknown): value is TimeInput =>
  typeof value === 'number' || value instanceof Date || Array.isArray(value);

/** Of the epoch; now where nothing is said. Numbers are milliseconds of the epoch here, not since the process began. */
function millisecondsOf(time: TimeInput | undefined): number {
  if (time === undefined) return performance.timeOrigin + performance.now();
  if (Array.isArray(time)) return time[0] * 1e3 + time[1] / 1e6;
  return Number(time);
}
