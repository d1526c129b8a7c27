/** Jobs in the database: what the user asked for and wants now. How far a job is stands in its events. */
import { createHash } from 'node:crypto';
import { EmlocError } from '@emloc/errors';
import { pageTokenInvalid } from '@emloc/service-kit';
import type pg from 'pg';
import type { Job, Spec, Wanted } from './job.ts';

interface Row {
  readonly id: string;
  readonly spec: Spec;
  readonly spec_digest: string;
  readonly traceparent: string | null;
  readonly created_at: Date;
  readonly attempt: number;
  readonly wanted: Wanted;
}

export interface Page {
  readonly jobs: readonly Job[];
  readonly nextPageToken: string;
}

export class JobStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** The same id with the same spec is the same job. */
  async create(id: string, spec: Spec, traceparent: string | undefined): Promise<Job> {
    const digest = specDigest(spec);
    await this.#pool.query(
      `INSERT INTO emloc.jobs (id, spec, spec_digest, traceparent) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [id, JSON.stringify(spec), digest, traceparent ?? null],
    );
    const job = await this.get(id);
    if (job.specDigest === digest) return job;
    throw new EmlocError(
      'ALREADY_EXISTS',
      'JOB_ID_REUSED',
      `there is a job ${id} with another specification`,
      {
        field: 'id',
        value: id,
        mend: 'choose another id, or delete that job',
      },
    );
  }

  async get(id: string): Promise<Job> {
    const { rows } = await this.#pool.query<Row>('SELECT * FROM emloc.jobs WHERE id = $1', [id]);
    if (rows[0] !== undefined) return toJob(rows[0]);
    throw new EmlocError('NOT_FOUND', 'JOB_NOT_FOUND', `there is no job ${id}`, {
      field: 'id',
      value: id,
      mend: 'list the jobs to see their ids',
    });
  }

  async wanted(id: string): Promise<Wanted> {
    return (await this.get(id)).wanted;
  }

  /** Jobs whose turn has not come, and those under way. */
  async counts(): Promise<{ readonly queued: number; readonly running: number }> {
    const { rows } = await this.#pool.query<{ state: string; jobs: string | number }>(
      `SELECT state, count(*) AS jobs FROM (
         SELECT DISTINCT ON (job_id) event #>> '{stateChanged,state}' AS state FROM emloc.job_events
         WHERE type = 'state' ORDER BY job_id, cursor DESC) AS latest
       GROUP BY state`,
    );
    const of = (state: string): number => Number(rows.find((row) => row.state === state)?.jobs ?? 0);
    return { queued: of('QUEUED'), running: of('RUNNING') };
  }

  /** A job that is to stop. A cancel is not weakened by a pause that comes later. */
  async stop(id: string, wanted: 'PAUSE' | 'CANCEL'): Promise<void> {
    await this.#pool.query(`UPDATE emloc.jobs SET wanted = $2 WHERE id = $1 AND wanted <> 'CANCEL'`, [
      id,
      wanted,
    ]);
  }

  /** One more run of the job; undefined where another call resumed it already. */
  async resume(job: Job): Promise<Job | undefined> {
    const { rows } = await this.#pool.query<Row>(
      `UPDATE emloc.jobs SET attempt = attempt + 1, wanted = 'RUN' WHERE id = $1 AND attempt = $2 RETURNING *`,
      [job.id, job.attempt],
    );
    return rows[0] === undefined ? undefined : toJob(rows[0]);
  }

  async delete(id: string): Promise<void> {
    await this.#pool.query('DELETE FROM emloc.jobs WHERE id = $1', [id]);
  }

  /** The newest first. */
  async list(pageSize: number, pageToken: string | undefined): Promise<Page> {
    const [before, beforeId] = readToken(pageToken);
    const { rows } = await this.#pool.query<Row>(
      `SELECT * FROM emloc.jobs WHERE $2::timestamptz IS NULL OR (created_at, id) < ($2::timestamptz, $3::text)
       ORDER BY created_at DESC, id DESC LIMIT $1`,
      [pageSize + 1, before ?? null, beforeId ?? ''],
    );
    const jobs = rows.slice(0, pageSize).map(toJob);
    const last = jobs.at(-1);
    return { jobs, nextPageToken: rows.length > pageSize && last !== undefined ? pageTokenAfter(last) : '' };
  }
}

/** Keys in order, so that two messages that say the same have one digest. */
export function specDigest(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]));
}

const toJob = (row: Row): Job => ({
  id: row.id,
  spec: row.spec,
  specDigest: row.spec_digest,
  traceparent: row.traceparent ?? undefined,
  createdAt: row.created_at,
  attempt: row.attempt,
  wanted: row.wanted,
});

/** The token of the page that begins after a job. */
export const pageTokenAfter = (job: Job): string =>
  Buffer.from(`${job.createdAt.toISOString()} ${job.id}`).toString('base64url');

function readToken(token: string | undefined): [string?, string?] {
  if (token === undefined) return [];
  const [at = '', id] = Buffer.from(token, 'base64url').toString().split(' ');
  if (id !== undefined && !Number.isNaN(Date.parse(at))) return [at, id];
  throw pageTokenInvalid(token);
}
