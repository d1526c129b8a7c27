/** OpenTelemetry's SDK for this process. Only `start.ts` imports this, when something is to be sent. */
import { hostname } from 'node:os';
import { diag, DiagLogLevel, metrics } from '@opentelemetry/api';
import {
  detectResources,
  envDetector,
  resourceFromAttributes,
  type Resource,
} from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { Logger } from 'pino';
import type { TelemetrySettings } from './environment.ts';
import { metricReaders } from './metric-readers.ts';
import { spanReceiver } from './received-spans.ts';
import { spanIds } from './span-ids.ts';
import { spanProcessors } from './span-processors.ts';
import type { Telemetry, TelemetryOptions } from './start.ts';

const shutdownMs = 5000;

export async function install(settings: TelemetrySettings, options: TelemetryOptions): Promise<Telemetry> {
  if (options.logger !== undefined) sayWhatFails(options.logger);
  const resource = resourceOf(options.service, process.pid);
  const ends: (() => Promise<void>)[] = [];
  const processors = await spanProcessors(settings.traces, options.service);
  if (processors.length > 0) {
    const provider = new NodeTracerProvider({ resource, spanProcessors: processors, idGenerator: spanIds });
    provider.register();
    ends.push(() => provider.shutdown());
  }
  const readers = options.metrics === false ? [] : await metricReaders(settings.metrics);
  if (readers.length > 0) {
    const provider = new MeterProvider({ resource, readers });
    metrics.setGlobalMeterProvider(provider);
    ends.push(() => provider.shutdown());
  }
  return {
    enabled: ends.length > 0,
    takeSpans: spanReceiver(processors, resourceOf),
    shutdown: async () => {
      const timeout = new Promise<void>((done) => setTimeout(done, shutdownMs).unref());
      await Promise.race([Promise.allSettled(ends.map((end) => end())), timeout]);
    },
  };
}

/** OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what the process knows of itself. */
function resourceOf(service: string, pid: number): Resource {
  return resourceFromAttributes({
    'service.name': service,
    'service.namespace': 'emloc',
    'service.instance.id': `${hostname()}-${pid}`,
    'process.pid': pid,
  }).merge(detectResources({ detectors: [envDetector] }));
}

/** A collector that is away must not fill the log: each complaint is said once. */
function sayWhatFails(logger: Logger): void {
  const said = new Set<string>();
  const say = (message: string, ...details: unknown[]): void => {
    if (said.has(message)) return;
    said.add(message);
    logger.warn({ details: details.map(String) }, `telemetry: ${message}`);
  };
  const silent = (): void => {};
  const sink = { error: say, warn: say, info: silent, debug: silent, verbose: silent };
  diag.setLogger(sink, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
