/**
 * Makes or updates the tables that a coordinator needs in PostgreSQL, and ends: before an upgrade's first coordinator
 * starts, so that one that cannot be done leaves what runs as it is. A coordinator that starts does the same; whoever
 * comes second finds it done.
 */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { EmlocError } from '@emloc/errors';
import { createLogger } from '@emloc/mesh';
import { openDatabase } from './database/open-database.ts';
import { createSchema } from './database/schema.ts';
import { loadCoordinatorConfig } from './environment.ts';

const config = loadCoordinatorConfig();
const logger = createLogger({ name: 'migrate', ...config.log });
try {
  const { databaseUrl: url, stateDir } = config;
  if (url === undefined) {
    throw new EmlocError('INVALID_ARGUMENT', 'NO_DATABASE', 'there is no database to migrate', {
      field: 'EMLOC_DATABASE_URL',
      mend: 'name a PostgreSQL; the embedded database needs no migration',
    });
  }
  const database = await openDatabase({ url, stateDir, onError: (error) => logger.error({ err: error }) });
  await createSchema(database.pool);
  await database.close();
  await DBOS.migrate(url);
  logger.info('the database is as this version wants it');
} catch (error) {
  logger.fatal({ err: error }, EmlocError.from(error).describe());
  process.exitCode = 1;
}
