/**
 * Starts a service whose long work are operations: its own contract and OperationService beside it, operations that are
 * taken over after a restart, one warm process for small calls, sources resolved against store and roots, a graceful end.
 */
import { ArtifactStore, isDigest } from '@emloc/artifacts';
import { EmlocError } from '@emloc/errors';
import {
  createLogger,
  currentTraceparent,
  startServer,
  stopOnSignals,
  takeReport,
  type Implementation,
  type Logger,
  type ServiceName,
} from '@emloc/mesh';
import { OperationManager, WarmPool, WarmWorker, type KindOptions } from '@emloc/operations';
import { operationService } from '../operations/operation-service.ts';
import { operationToProto } from '../operations/to-proto.ts';
import { sourceResolver, type SourceResolver } from '../requests/sources.ts';
import { observeOperations } from '../telemetry/observe-operations.ts';
import { observeQueue } from '../telemetry/operation-metrics.ts';
import { announceReady } from './announce.ts';
import { checkDirectories, prepareDirectories } from './directories.ts';
import { loadServiceConfig, type ServiceConfig } from './environment.ts';

/** Each holds a model. */
const maxHolders = 2;
/** A model is loaded again after so long without a call. */
const holderIdleMs = 120_000;

export interface StageContext {
  readonly config: ServiceConfig;
  readonly logger: Logger;
  readonly manager: OperationManager;
  /** One process for calls too small to have their own. */
  readonly warm: WarmWorker;
  /** Processes that keep what a call loaded for the next one with the same key: a model. */
  readonly holders: WarmPool;
  readonly sources: SourceResolver;
  /** Starts an operation and answers with it, as `StartXResponse` holds it. */
  start(id: string, kind: string, request: object): Promise<{ readonly operation: object }>;
}

export interface StageServiceOptions {
  readonly name: Exclude<ServiceName, 'coordinator'>;
  /** Of the service's own contract, such as `TrainingService` of `emloc.training.v1`. */
  readonly service: string;
  /** The file that runs operations and warm calls. */
  readonly worker: URL;
  readonly kinds: (
    config: ServiceConfig,
    logger: Logger,
  ) => Readonly<Record<string, Omit<KindOptions, 'worker' | 'memoryLimitBytes'>>>;
  readonly implementation: (context: StageContext) => Implementation;
}

export async function startStageService(options: StageServiceOptions): Promise<void> {
  const config = loadServiceConfig();
  const logger = createLogger({ name: options.name, ...config.log });
  try {
    await start(options, config, logger);
  } catch (error) {
    logger.fatal({ err: error }, EmlocError.from(error).describe());
    process.exit(1);
  }
}

async function start(options: StageServiceOptions, config: ServiceConfig, logger: Logger): Promise<void> {
  const { name, worker } = options;
  await prepareDirectories(config);
  const env = { EMLOC_STORE_DIR: config.storeDir };
  const memoryLimitBytes = config.operationMemoryBytes;
  const kinds = Object.fromEntries(
    Object.entries(options.kinds(config, logger)).map(([kind, rest]) => [
      kind,
      { ...rest, worker, memoryLimitBytes },
    ]),
  );
  const manager = new OperationManager({
    stateDir: config.stateDir,
    kinds,
    maxConcurrent: config.maxOperations,
    env,
    observer: observeOperations(logger),
  });
  const warm = new WarmWorker({ worker, env, report: takeReport });
  const holders = new WarmPool({
    worker,
    env,
    report: takeReport,
    maxProcesses: maxHolders,
    idleMs: holderIdleMs,
  });
  const store = new ArtifactStore(config.storeDir);
  const sources = sourceResolver(config.modelRoots, async (digest) =>
    isDigest(digest) && (await store.has(digest)) ? store.path(digest) : undefined,
  );
  const context: StageContext = {
    config,
    logger,
    manager,
    warm,
    holders,
    sources,
    async start(id, kind, request) {
      const operation = await manager.start({ id, kind, request, traceparent: currentTraceparent() });
      return { operation: operationToProto(operation) };
    },
  };
  const server = await startServer({
    name,
    address: config.listenAddress ?? config.addresses[name],
    services: [
      {
        package: `emloc.${name}.v1`,
        service: options.service,
        implementation: options.implementation(context),
      },
      operationService(manager, Object.keys(kinds)),
    ],
    tls: config.tls,
    limits: config.limits,
    drainMs: config.drainMs,
    healthAddress: config.healthAddress,
    connectionAgeMs: config.connectionAgeMs,
    checkReady: () => checkDirectories(config),
    logger,
  });
  observeQueue(manager);
  stopOnSignals(server, async () => {
    await Promise.all([manager.close({ graceMs: config.stopGraceMs }), warm.close(), holders.close()]);
  });
  const recovered = await manager.recover();
  if (recovered.length > 0) logger.info({ operations: recovered }, 'taken over');
  announceReady(name, server.address, config.readyFile);
}
