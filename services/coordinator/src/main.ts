/** Starts the coordinator: database, jobs and their workflows, services. It never touches a tensor. */
import { readFileSync } from 'node:fs';
import { ArtifactStore } from '@emloc/artifacts';
import { EmlocError } from '@emloc/errors';
import { createLogger, startServer, stopOnSignals, type Logger } from '@emloc/mesh';
import { announceReady, checkDirectories, prepareDirectories } from '@emloc/service-kit';
import { openDatabase } from './database/open-database.ts';
import { createSchema } from './database/schema.ts';
import { loadCoordinatorConfig, type CoordinatorConfig } from './environment.ts';
import { FineTuneJobs } from './jobs/fine-tune-jobs.ts';
import { JobEvents } from './jobs/job-events.ts';
import { JobStore } from './jobs/job-store.ts';
import { artifactService } from './service/artifact-service.ts';
import { jobService } from './service/job-service.ts';
import { meshService } from './service/mesh-service.ts';
import { StageClients, stageServices } from './stages/stage-clients.ts';
import { StageRunner } from './stages/stage-runner.ts';
import { observeJobs } from './telemetry/job-metrics.ts';
import { JobWorkflows } from './workflow/job-workflows.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const config = loadCoordinatorConfig();
const logger = createLogger({ name: 'coordinator', ...config.log });
try {
  await start(config, logger);
} catch (error) {
  logger.fatal({ err: error }, EmlocError.from(error).describe());
  process.exit(1);
}

async function start(config: CoordinatorConfig, logger: Logger): Promise<void> {
  await prepareDirectories(config);
  const database = await openDatabase({
    url: config.databaseUrl,
    stateDir: config.stateDir,
    onError: (error) => logger.error({ err: error }, 'a connection to the database failed'),
  });
  await createSchema(database.pool);
  const store = new JobStore(database.pool);
  const events = new JobEvents(database.pool);
  const clients = new StageClients(config, logger);
  const artifacts = new ArtifactStore(config.storeDir);
  const runner = new StageRunner({ store, events, clients, logger });
  const { concurrentJobs, executorId } = config;
  const workflows = new JobWorkflows({
    database,
    store,
    events,
    runner,
    artifacts,
    version,
    logger,
    concurrentJobs,
    executorId,
  });
  const jobs = new FineTuneJobs({ store, events, queue: workflows, clients, logger });
  const addresses = Object.fromEntries(
    ['calibration' as const, ...stageServices].map((name) => [name, config.addresses[name]]),
  );
  const server = await startServer({
    name: 'coordinator',
    address: config.listenAddress ?? config.addresses.coordinator,
    services: [
      jobService(jobs),
      artifactService(artifacts),
      meshService({ version, addresses, modelRoots: config.modelRoots, storeUri: config.storeDir }),
    ],
    tls: config.tls,
    limits: config.limits,
    drainMs: config.drainMs,
    healthAddress: config.healthAddress,
    connectionAgeMs: config.connectionAgeMs,
    checkReady: async () => {
      await checkDirectories(config);
      await database.pool.query('SELECT 1');
    },
    logger,
  });
  observeJobs(store);
  stopOnSignals(server, async () => {
    await server.stop();
    await workflows.close();
    clients.close();
    await database.close();
  });
  await workflows.launch();
  announceReady('coordinator', server.address, config.readyFile);
}
