/** Loaded where OTEL_EXPORTER_OTLP_PROTOCOL is grpc. */
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';

export const grpcMetricExporter = (): OTLPMetricExporter => new OTLPMetricExporter();
export const grpcTraceExporter = (): OTLPTraceExporter => new OTLPTraceExporter();
