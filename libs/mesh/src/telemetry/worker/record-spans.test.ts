import { ROOT_CONTEXT, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { expect, test } from 'vitest';
import { spanReceiver } from '../received-spans.ts';
import { OneWorkContext } from './one-work-context.ts';
import { recorder } from './record-spans.ts';
import type { EndedSpan } from './span-report.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const other = { traceId, spanId: '1111111111111111', traceFlags: 1 };
const under = (traceFlags: number) =>
  trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: 'b7ad6b7169203331', traceFlags, isRemote: true });

/** All that a span can be told. */
function tell(tracer: Tracer): void {
  const links = [{ context: other, attributes: { why: 'resumed' } }];
  const span = tracer.startSpan(
    'draft',
    { kind: 3, attributes: { layer: 1 }, links, startTime: 1_700_000_000_123.25 },
    under(1),
  );
  span.setAttribute('module', 'q_proj').setAttributes({ shape: [2, 3], whole: true });
  span.addEvent('half way', { step: 2 }, new Date(1_700_000_000_200)).addLink({ context: other });
  span.recordException(Object.assign(new TypeError('no number'), { stack: 'at line 1' }), 1_700_000_000_300);
  span.setStatus({ code: SpanStatusCode.ERROR, message: 'no number' }).updateName('layer 1');
  span.end([1_700_000_001, 500_000]);
  span.setAttribute('late', true);
}

/** What the exporter of a service gets of it. */
function received(record: (give: (span: EndedSpan) => void) => void) {
  const exporter = new InMemorySpanExporter();
  const take = spanReceiver([new SimpleSpanProcessor(exporter)], emptyResource);
  record((span) =>
    take({ service: 'training', pid: 1, spans: [JSON.parse(JSON.stringify(span)) as EndedSpan] }),
  );
  return exporter.getFinishedSpans();
}

test('a span that a process hands over arrives as the SDK would have made it', () => {
  const exporter = new InMemorySpanExporter();
  tell(new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer('x'));
  const [wanted] = exporter.getFinishedSpans();
  const [span] = received((give) => tell(recorder(give)));
  for (const field of ['name', 'kind', 'startTime', 'endTime', 'duration', 'status', 'attributes'] as const)
    expect(span?.[field], field).toEqual(wanted?.[field]);
  expect(span?.parentSpanContext).toEqual(wanted?.parentSpanContext);
  expect(span?.spanContext()).toMatchObject({ traceId, spanId: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect(span?.links).toMatchObject(wanted!.links.map(({ context }) => ({ context })));
  expect(span?.links[0]?.attributes).toEqual({ why: 'resumed' });
  expect(span?.events).toMatchObject(
    wanted!.events.map(({ name, time, attributes }) => ({ name, time, attributes: { ...attributes } })),
  );
});

test('what the trace does not sample is not recorded, and stays the context of what is under it', () => {
  const spans = received((give) => {
    const span = recorder(give).startSpan('a', {}, under(0));
    expect(span.spanContext()).toMatchObject({ traceId, traceFlags: 0 });
    expect(span.isRecording()).toBe(false);
    span.end();
  });
  expect(spans).toEqual([]);
});

test('the context of one piece of work lasts until that has settled, however it ends', async () => {
  const contexts = new OneWorkContext();
  const [one, two] = [under(1), under(0)];
  const seen: unknown[] = [];
  await contexts.with(one, async () => {
    const failed = contexts.with(two, async () => {
      await Promise.resolve();
      seen.push(contexts.active() === two);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    seen.push(contexts.active() === one);
    expect(() => contexts.with(two, () => [][0]!['x'])).toThrow();
    seen.push(contexts.with(two, () => contexts.active()) === two, contexts.active() === one);
  });
  expect([...seen, contexts.active() === ROOT_CONTEXT]).toEqual([true, true, true, true, true]);
});
