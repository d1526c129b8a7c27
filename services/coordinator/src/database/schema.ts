/** The coordinator's own tables; made where they are missing. DBOS keeps its workflows in a schema of its own. */
import type pg from 'pg';

const statements = `
  CREATE SCHEMA IF NOT EXISTS emloc;
  CREATE TABLE IF NOT EXISTS emloc.jobs (
    id text PRIMARY KEY,
    spec jsonb NOT NULL,
    spec_digest text NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Which run of the job this is: each resume is one more, and a workflow of its own.
    attempt integer NOT NULL DEFAULT 1,
    -- What its user wants now: RUN, PAUSE or CANCEL.
    wanted text NOT NULL DEFAULT 'RUN',
    last_cursor bigint NOT NULL DEFAULT 0
  );
  CREATE INDEX IF NOT EXISTS jobs_by_age ON emloc.jobs (created_at DESC, id DESC);
  CREATE TABLE IF NOT EXISTS emloc.job_events (
    job_id text NOT NULL REFERENCES emloc.jobs (id) ON DELETE CASCADE,
    cursor bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    -- The stage it belongs to; empty: the job.
    stage text NOT NULL,
    type text NOT NULL,
    -- Where it comes from: an event that was appended is not appended again.
    source text NOT NULL,
    source_cursor bigint NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (job_id, cursor),
    UNIQUE (job_id, source, source_cursor)
  );
  CREATE INDEX IF NOT EXISTS job_events_latest ON emloc.job_events (job_id, stage, type, cursor DESC);
`;

export async function createSchema(pool: pg.Pool): Promise<void> {
  // Replicas that start together would create the schema together, which PostgreSQL does not take well.
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock(5501)');
    await client.query(statements);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}
