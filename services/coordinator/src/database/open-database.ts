/**
 * The coordinator's database: PostgreSQL where EMLOC_DATABASE_URL names one, else an embedded PGlite whose data lies in
 * the state directory. Either way the rest of the coordinator sees a pool of node-postgres.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { EmlocError } from '@emloc/errors';
import pg from 'pg';
import { EmbeddedConnection, Gate } from './embedded-connection.ts';
import { ensureDatabaseDirectory } from './fresh-directory.ts';
import { lockDirectory } from './lock-directory.ts';

/** Enough for the workflows of one coordinator; on the embedded database they take turns anyway. */
const poolSize = 4;

export interface Database {
  readonly pool: pg.Pool;
  /** For those who want a URL beside the pool; of the embedded database only a name. */
  readonly url: string;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string | undefined;
  readonly stateDir: string;
  readonly onError: (error: Error) => void;
}

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  return options.url === undefined ? openEmbedded(options) : openPostgres(options.url, options.onError);
}

async function openPostgres(url: string, onError: (error: Error) => void): Promise<Database> {
  const pool = new pg.Pool({ connectionString: url, max: poolSize * 4 });
  pool.on('error', onError);
  try {
    await pool.query('SELECT 1');
  } catch (cause) {
    await pool.end();
    throw new EmlocError(
      'UNAVAILABLE',
      'DATABASE_UNREACHABLE',
      `the database does not answer: ${String(cause)}`,
      {
        field: 'EMLOC_DATABASE_URL',
        mend: 'check that PostgreSQL runs there and that user, password and database are right',
        cause,
      },
    );
  }
  return { pool, url, close: () => pool.end() };
}

async function openEmbedded({ stateDir, onError }: DatabaseOptions): Promise<Database> {
  const directory = join(stateDir, 'coordinator');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  try {
    const data = join(directory, 'database');
    await ensureDatabaseDirectory(data);
    const database = await PGlite.create(data);
    const gate = new Gate();
    const pool = new pg.Pool({
      stream: () => new EmbeddedConnection(database, gate) as never,
      user: 'postgres',
      database: 'postgres',
      max: poolSize,
    });
    pool.on('error', onError);
    return {
      pool,
      url: 'postgresql://postgres@embedded/postgres',
      async close() {
        await pool.end();
        await database.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}
