/**
 * Jobs as workflows of DBOS: one a run of a job, in a queue. What a step returned is in the database; after a restart the
 * workflows that were under way are run again from their beginning, and steps that are done return at once.
 */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { errorToJson } from '@emloc/operations';
import { runWithTraceparent, type Logger } from '@emloc/mesh';
import type { Database } from '../database/open-database.ts';
import { beginningOf } from '../jobs/fine-tune-jobs.ts';
import { foldStatus } from '../jobs/job-status.ts';
import type { JobStore } from '../jobs/job-store.ts';
import { endedStates, type Job, type JobResult, type JobState, type StoredError } from '../jobs/job.ts';
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
      try {
        if (await this.#begin(job)) await this.#say(job, 'SUCCEEDED', { result: await fineTune(run) });
      } catch (error) {
        if (error instanceof JobStopped) {
          await run.endRunningStage(error.as);
          await this.#say(job, error.as);
          return;
        }
        logger.warn({ err: error, job: jobId }, 'the job failed');
        await run.endRunningStage('FAILED');
        await this.#say(job, 'FAILED', { error: errorToJson(error) });
      }
    });
  }

  /** False where the job was stopped before its turn came. */
  async #begin(job: Job): Promise<boolean> {
    const { events } = this.#with;
    const origin = beginningOf(job);
    await events.append(job.id, { stateChanged: { state: 'RUNNING' } }, origin);
    const begun = await events.find(job.id, origin);
    return begun !== undefined && 'stateChanged' in begun && begun.stateChanged.state === 'RUNNING';
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
