/**
 * Metrics of our own making, by OpenTelemetry's API: instruments are made when first used, so that a module may name its
 * own before telemetry is started; without telemetry they cost a call of a function that does nothing.
 * Attributes must be few-valued: kinds, stages, states, methods; never ids, paths or texts.
 */
import { metrics, type Attributes, type ObservableResult } from '@opentelemetry/api';

export interface MetricOptions {
  /** UCUM: `s`, `By`, or a word in braces such as `{token}`. */
  readonly unit: string;
  readonly description: string;
}

export interface Counter {
  add(value: number, attributes?: Attributes): void;
}

export interface Recorder {
  record(value: number, attributes?: Attributes): void;
}

/** What is counted up for ever; Prometheus' name ends in `_total`. */
export function counter(name: string, options: MetricOptions): Counter {
  return lazily(() => meter().createCounter(name, options), 'add');
}

/** A distribution; `buckets` are upper bounds, in the unit. */
export function histogram(
  name: string,
  { buckets, ...options }: MetricOptions & { readonly buckets: readonly number[] },
): Recorder {
  const advice = { explicitBucketBoundaries: [...buckets] };
  return lazily(() => meter().createHistogram(name, { ...options, advice }), 'record');
}

/** The last value that was said. */
export function gauge(name: string, options: MetricOptions): Recorder {
  return lazily(() => meter().createGauge(name, options), 'record');
}

export interface Observation {
  readonly value: number;
  readonly attributes?: Attributes;
}

/** A value that is looked up when it is asked for; parts that can be added up, such as lengths of queues. */
export function observe(
  name: string,
  options: MetricOptions,
  read: () => readonly Observation[] | Promise<readonly Observation[]>,
): void {
  const instrument = meter().createObservableUpDownCounter(name, options);
  instrument.addCallback(async (result: ObservableResult) => {
    for (const { value, attributes } of await read()) result.observe(value, attributes);
  });
}

const meter = () => metrics.getMeter('@emloc/mesh');

function lazily<T extends object, K extends keyof T>(make: () => T, method: K): Pick<T, K> {
  let instrument: T | undefined;
  const act = (...args: unknown[]): unknown =>
    ((instrument ??= make())[method] as (...given: unknown[]) => unknown)(...args);
  return { [method]: act } as Pick<T, K>;
}
