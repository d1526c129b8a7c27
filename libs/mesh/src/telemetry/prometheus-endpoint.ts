/**
 * The page that Prometheus scrapes. OpenTelemetry's exporter leaves units out of the names; the collector's puts them in,
 * as Prometheus recommends. They are put in here too, so that one dashboard reads metrics that came either way.
 */
import { EmlocError } from '@emloc/errors';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import type { CollectionResult, MetricData } from '@opentelemetry/sdk-metrics';

/** The units that the project's metrics have; those in braces are words, not units. */
const suffixes: Readonly<Record<string, string>> = {
  s: 'seconds',
  By: 'bytes',
  '{token}/s': 'per_second',
};

class Endpoint extends PrometheusExporter {
  override async collect(): Promise<CollectionResult> {
    const { resourceMetrics, errors } = await super.collect();
    const scopeMetrics = resourceMetrics.scopeMetrics.map((scope) => ({
      ...scope,
      metrics: scope.metrics.map(withUnitInName),
    }));
    return { resourceMetrics: { ...resourceMetrics, scopeMetrics }, errors };
  }
}

/** Listens at `http://host:port/metrics`; a port that is taken is refused. */
export async function openPrometheusEndpoint(place: {
  readonly host: string;
  readonly port: number;
}): Promise<PrometheusExporter> {
  const endpoint = new Endpoint({
    ...place,
    preventServerStart: true,
    // Which service it is stands on every series, as with the collector's `resource_to_telemetry_conversion`.
    withResourceConstantLabels: /^service\.(name|instance\.id)$/,
    withoutScopeInfo: true,
  });
  try {
    await endpoint.startServer();
  } catch (cause) {
    throw new EmlocError(
      'FAILED_PRECONDITION',
      'METRICS_PORT_NOT_OPENED',
      `the metrics page could not be opened at ${place.host}:${place.port}: ${String(cause)}`,
      {
        field: 'OTEL_EXPORTER_PROMETHEUS_PORT',
        value: String(place.port),
        mend: 'choose a free port, one for each service of a machine',
        cause,
      },
    );
  }
  return endpoint;
}

function withUnitInName(metric: MetricData): MetricData {
  const { name, unit } = metric.descriptor;
  const suffix = suffixes[unit];
  const named = suffix === undefined || name.endsWith(suffix) ? name : `${name}.${suffix}`;
  return { ...metric, descriptor: { ...metric.descriptor, name: named, unit: '' } };
}
