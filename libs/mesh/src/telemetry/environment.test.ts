import { expect, test } from 'vitest';
import { readTelemetrySettings } from './environment.ts';

const nothing = { directory: undefined, otlp: undefined };

test('without configuration there is no telemetry; the SDK can be switched off as a whole', () => {
  expect(readTelemetrySettings({})).toBeUndefined();
  expect(readTelemetrySettings({ OTEL_TRACES_EXPORTER: 'none' })).toBeUndefined();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'true' };
  expect(readTelemetrySettings(env)).toBeUndefined();
});

test('an endpoint gets both signals, unless one is sent elsewhere or not at all', () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
  const both = { traces: { ...nothing, otlp: 'http/protobuf' }, metrics: { otlp: 'http/protobuf' } };
  expect(readTelemetrySettings(env)).toMatchObject(both);
  expect(readTelemetrySettings({ ...env, OTEL_METRICS_EXPORTER: 'none' })?.metrics.otlp).toBeUndefined();
  const scraped = readTelemetrySettings({ ...env, OTEL_METRICS_EXPORTER: 'prometheus' });
  expect(scraped?.metrics).toEqual({ otlp: undefined, prometheus: { host: 'localhost', port: 9464 } });
  expect(scraped?.traces.otlp).toBe('http/protobuf');
});

test('one signal may have a protocol of its own, and both ways of metrics may be used at once', () => {
  const env = {
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'otlp, prometheus',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc',
    OTEL_EXPORTER_PROMETHEUS_HOST: '0.0.0.0',
    OTEL_EXPORTER_PROMETHEUS_PORT: '9000',
  };
  expect(readTelemetrySettings(env)).toEqual({
    traces: { directory: undefined, otlp: 'grpc' },
    metrics: { otlp: 'http/protobuf', prometheus: { host: '0.0.0.0', port: 9000 } },
  });
});

test.each<Record<string, string>>([
  { OTEL_TRACES_EXPORTER: 'zipkin' },
  { OTEL_METRICS_EXPORTER: 'console' },
  { OTEL_TRACES_SAMPLER: 'sometimes' },
  { OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: '70000' },
  { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
  { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' },
])('a bad value is refused by the name of its variable: %o', (env) => {
  const [field, value] = Object.entries(env).at(-1) ?? [];
  expect(() => readTelemetrySettings(env)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'BAD_ENVIRONMENT', field, value }),
  );
});
