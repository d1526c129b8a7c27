/**
 * Jobs as workflows of DBOS: one a run of a job, in a queue. What a step returned is in the database; after a restart the
 * workflows that were under way are run again from their beginning, and steps that are done return at once.
 */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { errorToJson } from '@emloc/operations';
import { addSpan, runWithTraceparent, withSpan, type Logger, type SpanHandle } from '@emloc/mesh';
import type { Database } from '../database/open-database.ts';
import { beginningOf, queueingOf } from '../jobs/fine-tune-jobs.ts';
import { foldStatus } from '../jobs/job-status.ts';
import type { JobStore } from '../jobs/job-store.ts';
import { endedStates, type Job, type JobResult, type JobState, type StoredError } from '../jobs/job.ts';
import { countJob, countJobWait } from '../telemetry/job-metrics.ts';
import { continuesRun, runKey } from '../telemetry/span-keys.ts';
import { fineTune } from './fine-tune.ts';
import { DurableJobRun, JobStopped, type DurableStep, type RunDependencies } from './job-run.ts';

const queueName = 'fine-tune';
/** How soon a queued job is seen. */
const queuePollMs = 200;

export interface WorkflowOptions extends Omit<RunDependencies, 'closing'> {
  readonly database: Database;
  readonly store: JobStore;
  readonly logger: Logger;
  /** Jobs that run at once in this process. */
  readonly concurrentJobs: number;
  /** Pending workflows belong to an executor; a coordinator that comes back must have the name it had. */
  readonly executorId: string;
}

export class JobWorkflows {
  readonly #with: WorkflowOptions;
  readonly #closing = new AbortController();
  readonly #workflow: (jobId: string, attempt: number) => Promise<void>;

  constructor(options: WorkflowOptions) {
    this.#with = options;
    this.#workflow = DBOS.registerWorkflow((jobId: string, attempt: number) => this.#run(jobId, attempt), {
      name: 'fineTune',
    });
  }

  async launch(): Promise<void> {
    const { database, logger, concurrentJobs, executorId } = this.#with;
    DBOS.setConfig({
      name: 'emloc-coordinator',
      systemDatabaseUrl: database.url,
      systemDatabasePool: database.pool,
      useListenNotify: false,
      // The version of the workflow's shape, not of the software: a job goes on after an update that keeps its shape.
      applicationVersion: 'fine-tune-1',
      executorID: executorId,
      logger: dbosLogger(logger),
    });
    await DBOS.launch();
    await DBOS.registerQueue(queueName, {
      workerConcurrency: concurrentJobs,
      minPollingIntervalMs: queuePollMs,
      onConflict: 'always_update',
    });
    await this.#enqueueForgotten();
  }

  /** Lets a run of a job begin when it is its turn; once for each of its attempts. */
  async enqueue(job: Job): Promise<void> {
    const workflowID = `${job.id}/${job.attempt}`;
    await DBOS.startWorkflow(this.#workflow, { workflowID, queueName })(job.id, job.attempt);
  }

  async forget(job: Job): Promise<void> {
    const ids = Array.from({ length: job.attempt }, (_, i) => `${job.id}/${i + 1}`);
    await DBOS.deleteWorkflows(ids);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await DBOS.shutdown({ workflowCompletionTimeoutMS: 0 });
  }

  /** A coordinator that died between writing a job down and queueing it must not leave it lying. */
  async #enqueueForgotten(): Promise<void> {
    let pageToken: string | undefined;
    do {
      const page = await this.#with.store.list(100, pageToken);
      for (const job of page.jobs) {
        const { state } = foldStatus(await this.#with.events.latest(job.id));
        if (!endedStates.has(state)) await this.enqueue(job);
      }
      pageToken = page.nextPageToken === '' ? undefined : page.nextPageToken;
    } while (pageToken !== undefined);
  }

  async #run(jobId: string, attempt: number): Promise<void> {
    const { store, logger } = this.#with;
    const job: Job = { ...(await store.get(jobId)), attempt };
    const step: DurableStep = (name, work) => DBOS.runStep(work, { name });
    const run = new DurableJobRun(job, step, { ...this.#with, closing: this.#closing.signal });
    await runWithTraceparent(job.traceparent, async () => {
      const begun = await this.#begin(job);
      if (begun === undefined) return;
      const attributes = { 'emloc.job.id': job.id, 'emloc.job.attempt': attempt };
      const span = { key: runKey(job), startedAt: begun.at, continues: continuesRun(job) };
      const work = async (handle: SpanHandle): Promise<void> => {
        // What a coordinator that is gone had begun is one span with what is done now.
        if (!begun.isFirst) addSpan('resume job', attributes, { continues: [runKey(job)] });
        logger.info({ job: jobId, attempt }, begun.isFirst ? 'job running' : 'job taken up again');
        const state = await this.#work(job, run);
        const seconds = (Date.now() - begun.at.getTime()) / 1000;
        handle.setAttribute('emloc.job.state', state);
        countJob(state, seconds);
        logger.info({ job: jobId, attempt, state, seconds: Math.round(seconds * 10) / 10 }, 'job ended');
      };
      await withSpan('job', attributes, work, span);
    });
  }

  /** Says how the job ended, and gives it. */
  async #work(job: Job, run: DurableJobRun): Promise<JobState> {
    try {
      await this.#say(job, 'SUCCEEDED', { result: await fineTune(run) });
      return 'SUCCEEDED';
    } catch (error) {
      const state = error instanceof JobStopped ? error.as : 'FAILED';
      if (state === 'FAILED') this.#with.logger.warn({ err: error, job: job.id }, 'the job failed');
      await run.endRunningStage(state);
      await this.#say(job, state, state === 'FAILED' ? { error: errorToJson(error) } : {});
      return state;
    }
  }

  /** Undefined where the job was stopped before its turn came. */
  async #begin(job: Job): Promise<{ readonly at: Date; readonly isFirst: boolean } | undefined> {
    const { events } = this.#with;
    const origin = beginningOf(job);
    const isFirst = await events.append(job.id, { stateChanged: { state: 'RUNNING' } }, origin);
    const begun = await events.find(job.id, origin);
    if (begun === undefined || !('stateChanged' in begun.body)) return undefined;
    if (begun.body.stateChanged.state !== 'RUNNING') return undefined;
    const queued = isFirst ? await events.find(job.id, queueingOf(job)) : undefined;
    if (queued !== undefined) {
      addSpan('queue job', { 'emloc.job.id': job.id }, { startedAt: queued.at, endedAt: begun.at });
      countJobWait((begun.at.getTime() - queued.at.getTime()) / 1000);
    }
    return { at: begun.at, isFirst };
  }

  async #say(
    job: Job,
    state: JobState,
    rest: { result?: JobResult; error?: StoredError } = {},
  ): Promise<void> {
    const origin = { source: 'job/end', sourceCursor: job.attempt };
    await this.#with.events.append(job.id, { stateChanged: { state, ...rest } }, origin);
  }
}

/** DBOS speaks of its inner life at `info`: that is our `debug`. */
function dbosLogger(logger: Logger): { info: Log; debug: Log; warn: Log; error: Log } {
  return {
    info: (entry) => logger.debug(String(entry)),
    debug: () => {},
    warn: (entry) => logger.warn(String(entry)),
    error: (entry) => logger.error(String(entry)),
  };
}

type Log = (entry: unknown) => void;
