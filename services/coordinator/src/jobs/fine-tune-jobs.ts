/** What can be done with jobs. Their work is done by workflows; here they are written down, stopped, resumed, forgotten. */
import { EmlocError } from '@emloc/errors';
import { currentTraceparent, linkCurrentSpan, type Logger } from '@emloc/mesh';
import type { StageClients, StageService } from '../stages/stage-clients.ts';
import type { JobEvents, Origin } from './job-events.ts';
import { runKey } from '../telemetry/span-keys.ts';
import { foldStatus, type JobStatus } from './job-status.ts';
import { pageTokenAfter, type JobStore } from './job-store.ts';
import { endedStates, type Job, type JobEvent, type Spec } from './job.ts';

/** Each job that a filter looks at costs a query; so many take about a second. */
const maxScanned = 1000;
/** So many rows are read at once at least, however few of them a page may show. */
const leastBatch = 50;

export interface JobWithStatus {
  readonly job: Job;
  readonly status: JobStatus;
}

/** Lets runs of jobs begin; see workflow/job-workflows.ts. */
export interface JobQueue {
  enqueue(job: Job): Promise<void>;
  forget(job: Job): Promise<void>;
}

/** Where the event comes from that lets a run of a job wait for its turn. */
export const queueingOf = ({ attempt }: Job): Origin => ({ source: 'job/QUEUED', sourceCursor: attempt });

/** Where the first event of a run of a job comes from; there is only one. */
export const beginningOf = ({ attempt }: Job): Origin => ({ source: 'job/begin', sourceCursor: attempt });

interface Dependencies {
  readonly store: JobStore;
  readonly events: JobEvents;
  readonly queue: JobQueue;
  readonly clients: StageClients;
  readonly logger: Logger;
}

export class FineTuneJobs {
  readonly #with: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#with = dependencies;
  }

  async create(id: string, spec: Spec): Promise<void> {
    const job = await this.#with.store.create(id, spec, currentTraceparent());
    await this.#enqueue(job);
  }

  async get(id: string): Promise<JobWithStatus> {
    const job = await this.#with.store.get(id);
    return { job, status: foldStatus(await this.#with.events.latest(id)) };
  }

  /** The newest first. Looks at no more than `maxScanned` jobs, so that a page may be short and yet not the last. */
  async list(options: {
    readonly pageSize: number;
    readonly pageToken: string | undefined;
    readonly where: (job: JobWithStatus) => boolean;
  }): Promise<{ readonly jobs: readonly JobWithStatus[]; readonly nextPageToken: string }> {
    const jobs: JobWithStatus[] = [];
    let token = options.pageToken;
    for (let scanned = 0; scanned < maxScanned;) {
      const page = await this.#with.store.list(Math.max(options.pageSize, leastBatch), token);
      for (const [i, job] of page.jobs.entries()) {
        const found = { job, status: foldStatus(await this.#with.events.latest(job.id)) };
        if (options.where(found)) jobs.push(found);
        const isLast = i === page.jobs.length - 1 && page.nextPageToken === '';
        if (jobs.length === options.pageSize)
          return { jobs, nextPageToken: isLast ? '' : pageTokenAfter(job) };
      }
      if (page.nextPageToken === '') return { jobs, nextPageToken: '' };
      token = page.nextPageToken;
      scanned += page.jobs.length;
    }
    return { jobs, nextPageToken: token ?? '' };
  }

  async *watch(id: string, afterCursor: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    await this.#with.store.get(id);
    yield* this.#with.events.watch(id, afterCursor, signal);
  }

  async stop(id: string, wanted: 'PAUSE' | 'CANCEL'): Promise<void> {
    const { job, status } = await this.get(id);
    if (endedStates.has(status.state)) return;
    await this.#with.store.stop(id, wanted);
    if (status.state !== 'QUEUED') return;
    // It waits for its turn and would not hear of it for long. A run has one beginning: this event, or that it works.
    const state = wanted === 'PAUSE' ? 'PAUSED' : 'CANCELLED';
    await this.#with.events.append(id, { stateChanged: { state } }, beginningOf(job));
  }

  async resume(id: string): Promise<void> {
    const { job, status } = await this.get(id);
    if (status.state === 'SUCCEEDED') return;
    if (!endedStates.has(status.state)) {
      if (job.wanted === 'RUN') return;
      throw new EmlocError('ABORTED', 'JOB_STOPPING', `the job ${id} has not stopped yet`, {
        field: 'id',
        value: id,
        mend: 'watch it until it has, then resume it',
      });
    }
    const resumed = await this.#with.store.resume(job);
    if (resumed === undefined) return;
    linkCurrentSpan(resumed.traceparent, runKey(resumed));
    await this.#enqueue(resumed);
  }

  async delete(id: string): Promise<void> {
    const { job, status } = await this.get(id);
    if (!endedStates.has(status.state)) {
      throw new EmlocError('FAILED_PRECONDITION', 'JOB_ACTIVE', `the job ${id} has not ended`, {
        field: 'id',
        value: id,
        mend: 'cancel it first',
      });
    }
    for (const { service, operationId } of await this.#with.events.operations(id)) {
      await this.#forgetOperation(service as StageService, operationId);
    }
    await this.#with.queue.forget(job);
    await this.#with.store.delete(id);
  }

  async #enqueue(job: Job): Promise<void> {
    await this.#with.events.append(job.id, { stateChanged: { state: 'QUEUED' } }, queueingOf(job));
    await this.#with.queue.enqueue(job);
  }

  /** One that is gone already, or whose service is away, does not keep the job from being forgotten. */
  async #forgetOperation(service: StageService, id: string): Promise<void> {
    try {
      await this.#with.clients.of(service).operations.deleteOperation({ id }, { deadlineMs: 5000 });
    } catch (error) {
      this.#with.logger.warn({ err: error, operation: id }, 'the operation was not deleted');
    }
  }
}
