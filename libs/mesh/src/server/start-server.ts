/** The one way to start a gRPC service: contracts, health, reflection, telemetry, limits, TLS and a graceful end. */
import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProto } from 'grpc-health-check';
import { EmlocError } from '@emloc/errors';
import '../quiet-grpc.ts';
import { createLogger, type Logger } from '../config/logger.ts';
import { fileDescriptors } from '../contracts/file-descriptors.ts';
import { serviceOf, type Service } from '../contracts/load-package.ts';
import { protoFilesOf } from '../contracts/proto-dirs.ts';
import {
  defaultDrainMs,
  keepaliveTimeMs,
  keepaliveTimeoutMs,
  limits as defaultLimits,
  type Limits,
} from '../limits.ts';
import { startTelemetry } from '../telemetry/start.ts';
import { serverCredentials, type TlsFiles } from '../tls/credentials.ts';
import { bind } from './address.ts';
import { CallsInFlight } from './calls-in-flight.ts';
import { serveHealth } from './health-address.ts';
import { toRaw, type CallContext, type Implementation } from './handlers.ts';
import { watchReadiness } from './readiness.ts';
import { serveCall, type Host } from './serve-call.ts';

/** Asked of `grpc.health.v1` by who wants to know whether to start the process anew, not whether to call it. */
export const livenessName = 'liveness';

export interface ServiceEntry {
  readonly package: string;
  readonly service: string;
  readonly implementation: Implementation;
}

export interface ServerOptions {
  readonly name: string;
  /** HOST:PORT (port 0: any) or unix:PATH; default loopback, any port. */
  readonly address?: string;
  readonly services: readonly ServiceEntry[];
  readonly tls?: TlsFiles;
  readonly limits?: Partial<Limits>;
  readonly drainMs?: number;
  /** Where health is told, too, never with TLS: for probes that cannot speak it. */
  readonly healthAddress?: string;
  /** Clients make their connections anew after so long, and so hear of new replicas. Calls are not cut. */
  readonly connectionAgeMs?: number;
  readonly logger?: Logger;
  /** Throws while the service cannot work, such as without its database: its health is NOT_SERVING then. */
  readonly checkReady?: () => Promise<void>;
  /** Refuses a call by throwing, before its handler. */
  readonly authorize?: (call: CallContext) => void | Promise<void>;
}

export interface RunningServer {
  readonly address: string;
  readonly port: number | undefined;
  readonly healthAddress: string | undefined;
  readonly logger: Logger;
  readonly callsInFlight: number;
  /** Health of one service by its full name; '' is the server's. Both tell readiness, `liveness` that the process lives. */
  setServing(service: string, serving: boolean): void;
  stop(): Promise<void>;
}

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const limits = { ...defaultLimits, ...options.limits };
  const logger = options.logger ?? createLogger({ name: options.name });
  const telemetry = await startTelemetry({ service: options.name, logger });
  const calls = new CallsInFlight();
  const server = new Server({
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    'grpc.max_send_message_length': limits.maxMessageBytes,
    'grpc.max_concurrent_streams': limits.maxConcurrentCallsPerConnection,
    'grpc.keepalive_time_ms': keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    ...(options.connectionAgeMs === undefined
      ? {}
      : { 'grpc.max_connection_age_ms': options.connectionAgeMs }),
  });
  const host: Host = { logger, limits, calls, authorize: options.authorize };
  const names: string[] = [];
  for (const entry of options.services) {
    const service = serviceOf(entry.package, entry.service);
    names.push(service.name);
    server.addService(...bindHandlers(service, entry.implementation, host));
  }
  const health = new HealthImplementation({
    ...Object.fromEntries(['', ...names].map((name) => [name, 'SERVING'])),
    // Answered to the end: an orchestrator that takes a drain for a death would cut it short.
    [livenessName]: 'SERVING',
  });
  health.addToServer(server);
  new ReflectionService(reflected(options.services), {
    services: [...names, 'grpc.health.v1.Health'],
  }).addToServer(server);
  const bound = await bind(server, options.address ?? '127.0.0.1:0', serverCredentials(options.tls));
  const probed =
    options.healthAddress === undefined ? undefined : await serveHealth(health, options.healthAddress);
  logger.info({ address: bound.address, services: names, health: probed?.address }, 'listening');

  const setReady = (ready: boolean): void => {
    for (const name of ['', ...names]) health.setStatus(name, ready ? 'SERVING' : 'NOT_SERVING');
  };
  const readiness =
    options.checkReady === undefined ? undefined : watchReadiness(options.checkReady, setReady, logger);
  const stop = async (): Promise<void> => {
    readiness?.stop();
    setReady(false);
    const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    await calls.drain(options.drainMs ?? defaultDrainMs);
    // What the calls wrote last has to leave; health and reflection streams would stay for ever.
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 100))]);
    server.forceShutdown();
    probed?.stop();
    await closed;
    logger.info('stopped');
    await telemetry.shutdown();
  };
  let stopped: Promise<void> | undefined;
  return {
    ...bound,
    healthAddress: probed?.address,
    logger,
    get callsInFlight() {
      return calls.size;
    },
    setServing: (service, serving) => health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING'),
    stop: () => (stopped ??= stop()),
  };
}

const asIs = (bytes: Buffer): Buffer => bytes;

function bindHandlers(
  service: Service,
  implementation: Implementation,
  host: Host,
): [ServiceDefinition, UntypedServiceImplementation] {
  const unknown = Object.keys(implementation).filter((name) => !service.methods.has(name));
  const missing = [...service.methods.keys()].filter((name) => implementation[name] === undefined);
  if (unknown.length > 0 || missing.length > 0) {
    const text = [`not in the contract: ${unknown.join(', ')}`, `not implemented: ${missing.join(', ')}`];
    const said = text.filter((_, i) => (i === 0 ? unknown : missing).length > 0).join('; ');
    throw new EmlocError('INTERNAL', 'CONTRACT_MISMATCH', `${service.name}: ${said}`);
  }
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: UntypedServiceImplementation = {};
  for (const method of service.methods.values()) {
    const { handler, rawRequests, rawResponses } = toRaw(implementation[method.name] ?? (() => {}));
    definition[method.name] = {
      path: method.path,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      requestSerialize: method.encodeRequest,
      requestDeserialize: rawRequests ? asIs : method.decodeRequest,
      responseSerialize: rawResponses ? asIs : method.encodeResponse,
      responseDeserialize: method.decodeResponse,
    };
    handlers[method.name] = serveCall(method, handler, host);
  }
  return [definition, handlers];
}

/** What @grpc/reflection reads of a package definition: its file descriptors. */
function reflected(services: readonly ServiceEntry[]): PackageDefinition {
  // google.rpc: so that tools can show the details of an error.
  const packages = new Set([...services.map((entry) => entry.package), 'google.rpc']);
  const paths = [...packages].flatMap(protoFilesOf);
  const fileDescriptorProtos = fileDescriptors([...paths, healthProto]);
  return { all: { fileDescriptorProtos } } as unknown as PackageDefinition;
}
