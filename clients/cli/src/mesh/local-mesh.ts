/** The six services of a local mesh as one thing: started in the order in which they need each other, stopped together. */
import { mkdir } from 'node:fs/promises';
import { EmlocError } from '@emloc/errors';
import type { Home } from './home.ts';
import { addressVariable, ServiceProcess } from './service-process.ts';
import { serviceNames, type Addresses, type ServiceName } from './services.ts';

/** Whose address a service is given when it starts; the coordinator knows them all. */
const needs: Readonly<Record<ServiceName, readonly ServiceName[]>> = {
  calibration: [],
  compression: ['calibration'],
  training: [],
  correction: [],
  inference: [],
  coordinator: ['calibration', 'compression', 'training', 'correction', 'inference'],
};

/** The port that is registered for Prometheus exporters of OpenTelemetry. */
const defaultMetricsPort = 9464;

export class LocalMesh {
  readonly #home: Home;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #services = new Map<ServiceName, ServiceProcess>();

  constructor(home: Home, environment: NodeJS.ProcessEnv) {
    this.#home = home;
    // Everything on this machine that its user may read may be a model or data.
    this.#environment = { EMLOC_MODEL_ROOTS: '/', ...environment, EMLOC_HOME: home.directory };
  }

  async start(signal: AbortSignal): Promise<Addresses> {
    await mkdir(this.#home.logs, { recursive: true, mode: 0o700 });
    const starting = new Map<ServiceName, Promise<string>>();
    for (const name of serviceNames) {
      const needed = needs[name].map(
        async (other) => [addressVariable(other), await starting.get(other)] as const,
      );
      starting.set(
        name,
        Promise.all(needed).then((known) => this.#startService(name, Object.fromEntries(known), signal)),
      );
    }
    const outcomes = await Promise.allSettled(starting.values());
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) {
      await this.stop();
      throw EmlocError.from(failed.reason);
    }
    const entries = await Promise.all(
      [...starting].map(async ([name, address]) => [name, await address] as const),
    );
    return Object.fromEntries(entries) as Addresses;
  }

  /** The coordinator first, so that it orders nothing more; then the rest. */
  async stop(): Promise<void> {
    await this.#services.get('coordinator')?.stop();
    await Promise.all([...this.#services.values()].map((service) => service.stop()));
  }

  kill(): void {
    for (const service of this.#services.values()) service.kill();
  }

  /** On one machine each service needs a port of its own for Prometheus: the one that is set, and those after it. */
  #metricsPort(name: ServiceName): NodeJS.ProcessEnv {
    const { OTEL_METRICS_EXPORTER: exporters = '', OTEL_EXPORTER_PROMETHEUS_PORT: first } = this.#environment;
    if (!exporters.split(',').includes('prometheus')) return {};
    const port = Number(first || defaultMetricsPort) + serviceNames.indexOf(name);
    return { OTEL_EXPORTER_PROMETHEUS_PORT: String(port) };
  }

  #startService(name: ServiceName, addresses: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
    const environment = { ...this.#environment, ...addresses, ...this.#metricsPort(name) };
    const service = new ServiceProcess({ name, logs: this.#home.logs, environment });
    this.#services.set(name, service);
    return service.start(signal);
  }
}
