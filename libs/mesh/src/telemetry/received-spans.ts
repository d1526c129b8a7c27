/** Spans that a process of this service made and handed over, as the SDK's processors take them. */
import type { HrTime } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { EndedSpan, SpanReport } from './worker/span-report.ts';

/** As many processes as work at a time, and some that have just ended. */
const maxResources = 64;

export function spanReceiver(
  processors: readonly SpanProcessor[],
  resourceOf: (service: string, pid: number) => Resource,
): (report: SpanReport) => void {
  // Exporters group by the object: one for each process.
  const resources = new Map<string, Resource>();
  const resourceFor = (service: string, pid: number): Resource => {
    const key = `${service} ${pid}`;
    const resource = resources.get(key) ?? resourceOf(service, pid);
    if (resources.size >= maxResources) resources.clear();
    resources.set(key, resource);
    return resource;
  };
  return ({ service, pid, spans }) => {
    const resource = resourceFor(service, pid);
    for (const span of spans)
      for (const processor of processors) processor.onEnd(readableSpan(span, resource));
  };
}

function readableSpan(span: EndedSpan, resource: Resource): ReadableSpan {
  const { traceId, spanId, traceFlags, parentSpanId, parentIsRemote: isRemote, startMs, endMs } = span;
  return {
    name: span.name,
    kind: span.kind,
    spanContext: () => ({ traceId, spanId, traceFlags }),
    parentSpanContext: { traceId, spanId: parentSpanId, traceFlags, isRemote },
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(endMs - startMs),
    status: span.status,
    attributes: span.attributes,
    links: span.links.map(({ attributes, ...context }) => ({ context, attributes })),
    events: span.events.map(({ name, atMs, attributes }) => ({ name, time: hrTime(atMs), attributes })),
    ended: true,
    resource,
    instrumentationScope: { name: '@emloc/mesh' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1e3);
  return [seconds, Math.round((ms - seconds * 1e3) * 1e6)];
}
