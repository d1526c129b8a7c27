/**
 * What a cluster would observe a mesh with, on loopback, with the configuration of deploy/observability: a collector, a
 * Zipkin server behind it, and a Prometheus that scrapes the services.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import { root, tools } from '../tools.ts';
import { startInBackground, type Background } from './background.ts';

export const configuration = join(root, 'deploy', 'observability');

export interface Stack {
  readonly zipkin: string;
  readonly prometheus: string;
  /** The collector's page of metrics. */
  readonly collected: string;
  /** For whoever is observed. */
  readonly env: NodeJS.ProcessEnv;
  stop(): Promise<void>;
}

const services = 6;

export async function startStack(directory: string): Promise<Stack> {
  const [collector = '', zipkin = '', prometheus = ''] = tools('otelcol', 'zipkin', 'prometheus');
  const ports = { zipkin: await freePort(), grpc: await freePort(), http: await freePort() };
  const pages = { collected: await freePort(), prometheus: await freePort() };
  const firstPort = await freePorts(services);
  const started: Background[] = [];
  const start = async (...args: Parameters<typeof startInBackground>): Promise<void> => {
    started.push(await startInBackground(...args));
  };
  const stop = async (): Promise<void> => {
    for (const each of started.reverse()) await each.stop();
  };
  try {
    await start('java', ['-Xmx256m', '-jar', zipkin], {
      log: join(directory, 'zipkin.log'),
      env: { QUERY_PORT: String(ports.zipkin), ARMERIA_OPTS: '-Xmx256m' },
      upAt: `http://127.0.0.1:${ports.zipkin}/health`,
    });
    await start(collector, ['--config', join(configuration, 'collector.yaml')], {
      log: join(directory, 'collector.log'),
      env: {
        OTLP_GRPC_ENDPOINT: `127.0.0.1:${ports.grpc}`,
        OTLP_HTTP_ENDPOINT: `127.0.0.1:${ports.http}`,
        PROMETHEUS_ENDPOINT: `127.0.0.1:${pages.collected}`,
        ZIPKIN_ENDPOINT: `http://127.0.0.1:${ports.zipkin}/api/v2/spans`,
      },
      upAt: `http://127.0.0.1:${pages.collected}/metrics`,
    });
    await startPrometheus(start, prometheus, directory, pages.prometheus, firstPort);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    zipkin: `http://127.0.0.1:${ports.zipkin}`,
    prometheus: `http://127.0.0.1:${pages.prometheus}`,
    collected: `http://127.0.0.1:${pages.collected}/metrics`,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports.grpc}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_METRICS_EXPORTER: 'otlp,prometheus',
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
      OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
      OTEL_EXPORTER_PROMETHEUS_PORT: String(firstPort),
    },
    stop,
  };
}

/** The configuration as it is, but that a test's seconds are its minutes, and that its targets are the test's. */
async function startPrometheus(
  start: (...args: Parameters<typeof startInBackground>) => Promise<void>,
  program: string,
  directory: string,
  port: number,
  firstPort: number,
): Promise<void> {
  const own = join(directory, 'prometheus');
  cpSync(configuration, own, { recursive: true });
  const text = readFileSync(join(own, 'prometheus.yaml'), 'utf8');
  writeFileSync(join(own, 'prometheus.yaml'), text.replaceAll(/: (15|30)s$/gm, ': 1s'));
  rmSync(join(own, 'targets'), { recursive: true });
  mkdirSync(join(own, 'targets'));
  const targets = Array.from({ length: services }, (_, i) => `'127.0.0.1:${firstPort + i}'`);
  writeFileSync(join(own, 'targets', 'services.yaml'), `- targets: [${targets.join(', ')}]\n`);
  const args = [
    `--config.file=${join(own, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(directory, 'prometheus-data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  await start(program, args, {
    log: join(directory, 'prometheus.log'),
    upAt: `http://127.0.0.1:${port}/-/ready`,
  });
}

/** So many that follow each other, as the services of one machine take them. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = await freePort();
    const all = Array.from({ length: count }, (_, i) => isFree(first + i));
    if ((await Promise.all(all)).every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
