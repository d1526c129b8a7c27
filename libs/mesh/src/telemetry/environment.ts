/** The part of OpenTelemetry's standard environment that decides what a process sends where; a bad value is refused. */
import { EmlocError } from '@emloc/errors';

export type Env = Readonly<Record<string, string | undefined>>;
export type Protocol = 'grpc' | 'http/protobuf';

export interface TelemetrySettings {
  readonly traces: {
    /** EMLOC_TRACE_FILE: a directory that gets one file of JSON lines a process. */
    readonly directory: string | undefined;
    readonly otlp: Protocol | undefined;
  };
  readonly metrics: {
    readonly otlp: Protocol | undefined;
    /** Where Prometheus scrapes this process. */
    readonly prometheus: { readonly host: string; readonly port: number } | undefined;
  };
}

const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
];
/** The port that is registered for Prometheus exporters of OpenTelemetry. */
const prometheusPort = 9464;

/** Undefined where nothing is to be sent. */
export function readTelemetrySettings(env: Env): TelemetrySettings | undefined {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  checkSampler(env);
  const traces = exportersOf(env, 'TRACES', ['otlp']);
  const metrics = exportersOf(env, 'METRICS', ['otlp', 'prometheus']);
  const settings: TelemetrySettings = {
    traces: {
      directory: env['EMLOC_TRACE_FILE'] || undefined,
      otlp: traces.includes('otlp') ? protocolOf(env, 'TRACES') : undefined,
    },
    metrics: {
      otlp: metrics.includes('otlp') ? protocolOf(env, 'METRICS') : undefined,
      prometheus: metrics.includes('prometheus') ? prometheusOf(env) : undefined,
    },
  };
  const wanted = [...Object.values(settings.traces), ...Object.values(settings.metrics)];
  return wanted.some((each) => each !== undefined) ? settings : undefined;
}

/** Without a word about exporters, an endpoint is enough to send there; nothing is sent to an endpoint by default. */
function exportersOf(env: Env, signal: 'TRACES' | 'METRICS', known: readonly string[]): readonly string[] {
  const field = `OTEL_${signal}_EXPORTER`;
  const named = (env[field] ?? '').split(',').map((name) => name.trim());
  const names = named.filter((name) => name !== '');
  if (names.length === 0) {
    const endpoint = env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    return endpoint ? ['otlp'] : [];
  }
  if (names.includes('none')) return [];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw bad(field, unknown, `set ${known.join(', ')}, none, or nothing`);
  return names;
}

/** The standard's default protocol is http/protobuf (port 4318); grpc is port 4317. */
function protocolOf(env: Env, signal: 'TRACES' | 'METRICS'): Protocol {
  const own = `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`;
  const field = env[own] ? own : 'OTEL_EXPORTER_OTLP_PROTOCOL';
  const protocol = env[field] || 'http/protobuf';
  if (protocol === 'grpc' || protocol === 'http/protobuf') return protocol;
  throw bad(field, protocol, 'set grpc or http/protobuf');
}

function prometheusOf(env: Env): { readonly host: string; readonly port: number } {
  const field = 'OTEL_EXPORTER_PROMETHEUS_PORT';
  const port = Number(env[field] || prometheusPort);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw bad(field, env[field] ?? '', 'set a port from 1 to 65535');
  }
  return { host: env['OTEL_EXPORTER_PROMETHEUS_HOST'] || 'localhost', port };
}

/** The SDK would pass over a sampler that it does not know, and sample everything. */
function checkSampler(env: Env): void {
  const sampler = env['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on';
  if (!samplers.includes(sampler)) {
    throw bad('OTEL_TRACES_SAMPLER', sampler, `set one of ${samplers.join(', ')}`);
  }
  const argument = env['OTEL_TRACES_SAMPLER_ARG'];
  if (!sampler.endsWith('traceidratio') || !argument) return;
  const ratio = Number(argument);
  if (!(ratio >= 0 && ratio <= 1)) {
    throw bad('OTEL_TRACES_SAMPLER_ARG', argument, 'set a ratio from 0 to 1');
  }
}

const bad = (field: string, value: string, mend: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_ENVIRONMENT', `${field} is not one of what is known here`, {
    field,
    value,
    mend,
  });
