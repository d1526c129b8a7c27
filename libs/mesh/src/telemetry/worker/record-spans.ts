/**
 * Traces of a process without OpenTelemetry's SDK: spans of the API that are given away as they end. Loaded in a few
 * milliseconds, where the SDK and its exporter take a hundred and 15 MB. What the SDK decides for a span of a trace that
 * another process began, its parent's flag has decided here: it was begun under the same environment.
 */
import { randomBytes } from 'node:crypto';
import { context, trace, TraceFlags, type Context, type SpanOptions, type Tracer } from '@opentelemetry/api';
import { takeChosenId } from '../spans.ts';
import { OneWorkContext } from './one-work-context.ts';
import { RecordedSpan } from './recorded-span.ts';
import type { EndedSpan } from './span-report.ts';

/** From here on, whatever this process traces is given to `give`. */
export function recordSpans(give: (span: EndedSpan) => void): void {
  context.setGlobalContextManager(new OneWorkContext());
  const tracer = recorder(give);
  trace.setGlobalTracerProvider({ getTracer: () => tracer });
}

export function recorder(give: (span: EndedSpan) => void): Tracer {
  const tracer: Tracer = {
    startSpan(name: string, options: SpanOptions = {}, parent: Context = context.active()) {
      const parentContext = options.root === true ? undefined : trace.getSpanContext(parent);
      // Without a parent there is nothing that the span could be a part of.
      if (parentContext === undefined || (parentContext.traceFlags & TraceFlags.SAMPLED) === 0)
        return trace.wrapSpanContext(parentContext ?? nothing);
      const spanId = takeChosenId() ?? randomBytes(8).toString('hex');
      const { traceId, traceFlags } = parentContext;
      return new RecordedSpan(name, { traceId, spanId, traceFlags }, parentContext, options, give);
    },
    startActiveSpan(name: string, ...rest: unknown[]) {
      const fn = rest.at(-1) as (span: ReturnType<Tracer['startSpan']>) => never;
      const [options, parent = context.active()] = rest.slice(0, -1) as [SpanOptions?, Context?];
      const span = tracer.startSpan(name, options, parent);
      return context.with(trace.setSpan(parent, span), fn, undefined, span);
    },
  };
  return tracer;
}

const nothing = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: TraceFlags.NONE };
