/**
 * OpenTelemetry set up from the standard environment; nothing at all is installed where nothing is configured.
 * Exporters are imported only when used: they cost a process 100 ms and some 20 MB.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { EmlocError } from '@emloc/errors';
import { JsonLinesExporter } from './json-lines-exporter.ts';

export interface Telemetry {
  readonly enabled: boolean;
  /** Sends what is still held; waits 5 s at most. */
  shutdown(): Promise<void>;
}

type Env = Readonly<Record<string, string | undefined>>;

let started: Promise<Telemetry> | undefined;

/** Starts traces for this process; a second call returns the first's, whatever its service name. */
export function startTelemetry(options: {
  readonly service: string;
  readonly env?: Env;
}): Promise<Telemetry> {
  started ??= start(options.service, options.env ?? process.env);
  return started;
}

async function start(service: string, env: Env): Promise<Telemetry> {
  const processors = env['OTEL_SDK_DISABLED'] === 'true' ? [] : await processorsOf(service, env);
  if (processors.length === 0) return { enabled: false, shutdown: async () => {} };
  const resource = resourceFromAttributes({
    'service.name': service,
    'service.namespace': 'emloc',
    'service.instance.id': `${hostname()}-${process.pid}`,
    'process.pid': process.pid,
  }).merge(detectResources({ detectors: [envDetector] }));
  const provider = new NodeTracerProvider({ resource, spanProcessors: processors });
  provider.register();
  return {
    enabled: true,
    shutdown: async () => {
      const timeout = new Promise<void>((done) => setTimeout(done, 5000).unref());
      await Promise.race([provider.shutdown().catch(() => {}), timeout]);
    },
  };
}

async function processorsOf(service: string, env: Env): Promise<SpanProcessor[]> {
  const processors: SpanProcessor[] = [];
  const folder = env['EMLOC_TRACE_FILE'];
  if (folder) {
    const path = join(folder, `${service}-${process.pid}.jsonl`);
    processors.push(new SimpleSpanProcessor(new JsonLinesExporter(path)));
  }
  if (wantsOtlp(env)) processors.push(new BatchSpanProcessor(await otlpExporter(env)));
  return processors;
}

function wantsOtlp(env: Env): boolean {
  const exporter = env['OTEL_TRACES_EXPORTER'];
  if (exporter === 'none') return false;
  if (exporter !== undefined && exporter !== '' && exporter !== 'otlp') {
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_ENVIRONMENT', 'only otlp and none are known', {
      field: 'OTEL_TRACES_EXPORTER',
      value: exporter,
      mend: 'set otlp, none, or nothing',
    });
  }
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  return exporter === 'otlp' || Boolean(endpoint);
}

/** The standard's default protocol is http/protobuf (port 4318); grpc is port 4317. */
async function otlpExporter(env: Env): Promise<SpanExporter> {
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL'];
  if (protocol === 'grpc') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
    return new OTLPTraceExporter();
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}
