/** What the coordinator alone reads from the environment. */
import { databaseUrlOf } from './database/database-url.ts';
import { count, loadServiceConfig, type ServiceConfig } from '@emloc/service-kit';

type Environment = Readonly<Record<string, string | undefined>>;

export interface CoordinatorConfig extends ServiceConfig {
  /**
   * EMLOC_DATABASE_URL (or the file that EMLOC_DATABASE_URL_FILE names): PostgreSQL, its password maybe in the file that
   * EMLOC_DATABASE_PASSWORD_FILE names; default the embedded database in the state directory.
   */
  readonly databaseUrl: string | undefined;
  /** EMLOC_CONCURRENT_JOBS: jobs that run at once; default 1, since one job's stages fill a machine. */
  readonly concurrentJobs: number;
  /** EMLOC_COORDINATOR_ID: the name that jobs under way belong to; a replica that comes back must have the same. */
  readonly executorId: string;
}

export function loadCoordinatorConfig(env: Environment = process.env): CoordinatorConfig {
  return Object.freeze({
    ...loadServiceConfig(env),
    databaseUrl: databaseUrlOf(env),
    concurrentJobs: count(env, 'EMLOC_CONCURRENT_JOBS', 1),
    executorId: env['EMLOC_COORDINATOR_ID'] || 'coordinator',
  });
}
