/**
 * A job's log: what happened, numbered from 1 without gaps, in the database. Appending is idempotent by where an event
 * comes from, so a stage that is watched again after a restart adds nothing twice.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { endedStates, type JobEvent, type JobEventBody } from './job.ts';

/** Another replica may append; this one's own events are seen at once. */
const pollMs = 1000;
const pageSize = 500;

export interface Origin {
  /** For example an operation's id. */
  readonly source: string;
  readonly sourceCursor: number;
}

interface Row {
  readonly cursor: string | number;
  readonly at: Date;
  readonly event: JobEventBody;
}

export class JobEvents {
  readonly #pool: pg.Pool;
  readonly #appended = new EventEmitter().setMaxListeners(0);

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Whether it was appended: false where it had been before. */
  async append(jobId: string, body: JobEventBody, origin: Origin): Promise<boolean> {
    const [stage, type] = classify(body);
    const { rowCount } = await this.#pool.query(
      `WITH next AS (
         UPDATE emloc.jobs SET last_cursor = last_cursor + 1
         WHERE id = $1 AND NOT EXISTS (
           SELECT 1 FROM emloc.job_events WHERE job_id = $1 AND source = $4 AND source_cursor = $5)
         RETURNING last_cursor)
       INSERT INTO emloc.job_events (job_id, cursor, stage, type, source, source_cursor, event)
       SELECT $1, last_cursor, $2, $3, $4, $5, $6::jsonb FROM next`,
      [jobId, stage, type, origin.source, origin.sourceCursor, JSON.stringify(body)],
    );
    if (rowCount === 1) this.#appended.emit(jobId);
    return rowCount === 1;
  }

  /** What was appended from there; undefined: nothing. */
  async find(jobId: string, origin: Origin): Promise<JobEvent | undefined> {
    const { rows } = await this.#pool.query<Row>(
      'SELECT cursor, at, event FROM emloc.job_events WHERE job_id = $1 AND source = $2 AND source_cursor = $3',
      [jobId, origin.source, origin.sourceCursor],
    );
    return rows[0] === undefined ? undefined : toEvent(rows[0]);
  }

  /** The last cursor of `source` that is in the log; 0: none. */
  async lastSourceCursor(jobId: string, source: string): Promise<number> {
    const { rows } = await this.#pool.query<{ last: string | number | null }>(
      'SELECT max(source_cursor) AS last FROM emloc.job_events WHERE job_id = $1 AND source = $2',
      [jobId, source],
    );
    return Number(rows[0]?.last ?? 0);
  }

  /** The operations that worked on the job. */
  async operations(jobId: string): Promise<{ readonly service: string; readonly operationId: string }[]> {
    const { rows } = await this.#pool.query<{ service: string; operation: string }>(
      `SELECT DISTINCT event #>> '{stageChanged,service}' AS service, event #>> '{stageChanged,operationId}' AS operation
       FROM emloc.job_events WHERE job_id = $1 AND type = 'stage' AND stage <> 'plan'`,
      [jobId],
    );
    return rows.flatMap(({ service, operation }) =>
      service === null || operation === null ? [] : [{ service, operationId: operation }],
    );
  }

  /** The latest event of each stage and type: enough to say how far the job is. */
  async latest(jobId: string): Promise<JobEvent[]> {
    const { rows } = await this.#pool.query<Row>(
      `SELECT cursor, at, event FROM (
         SELECT DISTINCT ON (stage, type) cursor, at, event FROM emloc.job_events
         WHERE job_id = $1 ORDER BY stage, type, cursor DESC) AS latest
       ORDER BY cursor`,
      [jobId],
    );
    return rows.map(toEvent);
  }

  /** All events after `cursor`, then live ones; ends after the one that ends the job, if no other follows. */
  async *watch(jobId: string, cursor: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    let after = cursor;
    for (;;) {
      const news = this.#news(jobId, signal);
      const page = await this.#after(jobId, after);
      for (const event of page) {
        yield event;
        after = event.cursor;
      }
      if (page.length === pageSize) continue;
      if (signal.aborted || (await this.#hasEnded(jobId, after))) return;
      await news;
    }
  }

  async #after(jobId: string, cursor: number): Promise<JobEvent[]> {
    const { rows } = await this.#pool.query<Row>(
      'SELECT cursor, at, event FROM emloc.job_events WHERE job_id = $1 AND cursor > $2 ORDER BY cursor LIMIT $3',
      [jobId, cursor, pageSize],
    );
    return rows.map(toEvent);
  }

  /** Whether the last event is seen and ends the job. A resumed job goes on after the event that had ended it. */
  async #hasEnded(jobId: string, seen: number): Promise<boolean> {
    const { rows } = await this.#pool.query<Row>(
      'SELECT cursor, at, event FROM emloc.job_events WHERE job_id = $1 ORDER BY cursor DESC LIMIT 1',
      [jobId],
    );
    const last = rows[0] === undefined ? undefined : toEvent(rows[0]);
    if (last === undefined) return false;
    return (
      last.cursor <= seen && 'stateChanged' in last.body && endedStates.has(last.body.stateChanged.state)
    );
  }

  #news(jobId: string, signal: AbortSignal): Promise<unknown> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#appended.once(jobId, wake);
    signal.addEventListener('abort', wake, { once: true });
    return sleep(pollMs, undefined, { signal: woken.signal })
      .catch(() => {})
      .finally(() => {
        this.#appended.off(jobId, wake);
        signal.removeEventListener('abort', wake);
      });
  }
}

function classify(body: JobEventBody): [stage: string, type: string] {
  if ('stateChanged' in body) return ['', 'state'];
  if ('stageChanged' in body) return [body.stageChanged.name, 'stage'];
  const known = ['stateChanged', 'prediction', 'progress'].find((type) => type in body.stageEvent.event);
  return [body.stageEvent.stage, known ?? 'other'];
}

const toEvent = (row: Row): JobEvent => ({ cursor: Number(row.cursor), at: row.at, body: row.event });
