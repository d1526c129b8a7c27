/** Where metrics go: pushed to a collector (OTEL_METRIC_EXPORT_INTERVAL), scraped by Prometheus, or both. */
import type { IMetricReader, PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import type { Protocol, TelemetrySettings } from './environment.ts';

export async function metricReaders({
  otlp,
  prometheus,
}: TelemetrySettings['metrics']): Promise<IMetricReader[]> {
  const readers: IMetricReader[] = [];
  if (otlp !== undefined) {
    const everyMs = Number(process.env['OTEL_METRIC_EXPORT_INTERVAL'] || 60_000);
    readers.push(
      new PeriodicExportingMetricReader({
        exporter: await otlpExporter(otlp),
        exportIntervalMillis: everyMs,
        exportTimeoutMillis: Math.min(everyMs, 30_000),
      }),
    );
  }
  if (prometheus !== undefined) {
    const { openPrometheusEndpoint } = await import('./prometheus-endpoint.ts');
    readers.push(await openPrometheusEndpoint(prometheus));
  }
  return readers;
}

async function otlpExporter(protocol: Protocol): Promise<PushMetricExporter> {
  if (protocol === 'grpc') {
    const { grpcMetricExporter } = await import('./grpc-exporters.ts');
    return grpcMetricExporter();
  }
  const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-proto');
  return new OTLPMetricExporter();
}
