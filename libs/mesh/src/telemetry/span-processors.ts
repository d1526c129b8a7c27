/** Where spans go: files of JSON lines, a collector, or both. Exporters are loaded when used. */
import { join } from 'node:path';
import { BatchSpanProcessor, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { Protocol, TelemetrySettings } from './environment.ts';
import { JsonLinesExporter } from './json-lines-exporter.ts';

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
    // Every 5 s, or as OTEL_BSP_SCHEDULE_DELAY says: each request costs a service that does little else some milliseconds.
    processors.push(new BatchSpanProcessor(await otlpExporter(otlp)));
  }
  return processors;
}

async function otlpExporter(protocol: Protocol): Promise<SpanExporter> {
  if (protocol === 'grpc') {
    const { grpcTraceExporter } = await import('./grpc-exporters.ts');
    return grpcTraceExporter();
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}
