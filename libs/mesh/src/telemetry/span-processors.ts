/** Where spans go: files of JSON lines, a collector, or both. Exporters are loaded when used. */
import { join } from 'node:path';
import { BatchSpanProcessor, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { Protocol, TelemetrySettings } from './environment.ts';
import { JsonLinesExporter } from './json-lines-exporter.ts';

/** Below the standard's 5 s: a process that is killed loses what it had not sent. OTEL_BSP_SCHEDULE_DELAY overrides. */
const sendEveryMs = 1000;

export async function spanProcessors(
  { directory, otlp }: TelemetrySettings['traces'],
  service: string,
): Promise<SpanProcessor[]> {
  const processors: SpanProcessor[] = [];
  if (directory !== undefined) {
    const path = join(directory, `${service}-${process.pid}.jsonl`);
    processors.push(new SimpleSpanProcessor(new JsonLinesExporter(path)));
  }
  if (otlp !== undefined) {
    const delay = process.env['OTEL_BSP_SCHEDULE_DELAY'] ? {} : { scheduledDelayMillis: sendEveryMs };
    processors.push(new BatchSpanProcessor(await otlpExporter(otlp), delay));
  }
  return processors;
}

async function otlpExporter(protocol: Protocol): Promise<SpanExporter> {
  if (protocol === 'grpc') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
    return new OTLPTraceExporter();
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}
