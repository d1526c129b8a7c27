/**
 * Runs one operation of a stage to its end: starts it (its id is fixed, so a second start is none), copies its events
 * into the job's log, and passes the user's wish to pause or cancel on. Everything may be done again after a restart.
 */
import { EmlocError } from '@emloc/errors';
import { resumeStream, withSpan, type Logger } from '@emloc/mesh';
import { errorFromJson, errorToJson } from '@emloc/operations';
import type { OperationResult } from '@emloc/service-kit';
import type { JobEvents } from '../jobs/job-events.ts';
import type { JobStore } from '../jobs/job-store.ts';
import type { Job, StageName, StoredOperationEvent } from '../jobs/job.ts';
import { pruned } from '../jobs/pruned.ts';
import { stageKey } from '../telemetry/span-keys.ts';
import { isStopped, outcomeOf, toStored, type Outcome } from './operation-outcome.ts';
import { defaultPatience, isAway, whileAway, whileKilled, type Patience } from './patience.ts';
import type { TrainingOutlook } from './plan.ts';
import { sleepUnless } from './sleep.ts';
import type { StageClient, StageClients, StageService } from './stage-clients.ts';
import { StopWish } from './stop-wish.ts';

export interface StageTask {
  readonly stage: StageName;
  readonly service: StageService;
  /** Of the service's own contract, such as `startTraining`. */
  readonly rpc: string;
  readonly operationId: string;
  /** Without `operation_id`. */
  readonly request: object;
}

interface Dependencies {
  readonly store: JobStore;
  readonly events: JobEvents;
  readonly clients: StageClients;
  readonly logger: Logger;
  readonly patience?: Patience;
}

interface Begun {
  /** When this run of the job first came to the stage. */
  readonly at: Date;
  readonly isFirst: boolean;
  /** The stage's span in the run before, where that had come so far. */
  readonly continues: readonly string[];
}

/**
 * All rows are read and made tokens: minutes for a gigabyte, and nothing bounds a file. A service that is gone is told by
 * the connection, a pause or cancel ends the call; this only ends what hangs.
 */
const planDeadlineMs = 24 * 60 * 60_000;
/** Between two looks at an operation whose watch ended before it did. */
const lookAgainMs = 200;

export class StageRunner {
  readonly #with: Dependencies;
  readonly #patience: Patience;

  constructor(dependencies: Dependencies) {
    this.#with = dependencies;
    this.#patience = dependencies.patience ?? defaultPatience;
  }

  /** Asks the training service what the training would be. Bad data, options and models are refused here. */
  plan(job: Job, request: object, closing: AbortSignal): Promise<Outcome<TrainingOutlook>> {
    const operationId = `${job.id}-plan`;
    const task = { stage: 'plan', service: 'training', rpc: 'planTraining', operationId, request } as const;
    return this.#stage(job, task, closing, async (wish) => {
      const { signal } = wish;
      const client = this.#with.clients.of('training');
      const ask = () =>
        client.call<TrainingOutlook>('planTraining', request, { signal, deadlineMs: planDeadlineMs });
      const patiently = () => this.#patiently(job, task, wish, ask);
      const outlook = await whileKilled(patiently, (error) => this.#sayAgain(job, task, error.message));
      return { status: 'succeeded', result: pruned(outlook) as TrainingOutlook };
    });
  }

  run(job: Job, task: StageTask, closing: AbortSignal): Promise<Outcome<OperationResult>> {
    return this.#stage(job, task, closing, async (wish, isFirst) => {
      const client = this.#with.clients.of(task.service);
      await this.#start(job, task, client, wish, isFirst);
      void this.#passOn(client, task, wish, closing);
      return this.#untilEnded(job, task, client, wish, closing);
    });
  }

  async #stage<T>(
    job: Job,
    task: StageTask,
    closing: AbortSignal,
    work: (wish: StopWish, isFirst: boolean) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    using wish = new StopWish(this.#with.store, job.id, closing);
    try {
      // A run that was resumed meanwhile (its end was lost in a crash) leaves the work to its successor.
      const { attempt } = await this.#with.store.get(job.id);
      if (attempt !== job.attempt) return { status: 'stopped', as: 'PAUSED' };
      const begun = await this.#begin(job, task);
      return await this.#traced(job, task, closing, begun, () => work(wish, begun.isFirst));
    } catch (error) {
      // Stopped while a service was away, before there was an operation to stop.
      if (wish.isStopped && (isAway(error) || wasCancelled(error))) return wish.outcome();
      return { status: 'failed', error: errorToJson(error) };
    }
  }

  /** One span, from when the stage was first begun; left open where another coordinator will go on with it. */
  async #traced<T>(
    job: Job,
    { stage, operationId }: StageTask,
    closing: AbortSignal,
    { at, continues }: Begun,
    work: () => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    let status: string | undefined;
    const attributes = { 'emloc.job.id': job.id, 'emloc.stage': stage, 'emloc.operation.id': operationId };
    return withSpan(
      `stage ${stage}`,
      attributes,
      async (span) => {
        const outcome = await work();
        ({ status } = outcome);
        span.setAttribute('emloc.stage.outcome', status);
        return outcome;
      },
      {
        key: stageKey(operationId, job.attempt),
        startedAt: at,
        continues,
        goesOnElsewhere: () => closing.aborted && status !== 'succeeded',
      },
    );
  }

  async #start(
    job: Job,
    task: StageTask,
    client: StageClient,
    wish: StopWish,
    isFirst: boolean,
  ): Promise<void> {
    const request = { ...task.request, operationId: task.operationId };
    const start = () => client.call<{ operation: { state: string } }>(task.rpc, request);
    const { operation } = await this.#patiently(job, task, wish, start);
    // What failed or was paused in an earlier run of the job goes on; what failed in this one has failed.
    if (isFirst && isStopped(operation.state)) await this.#resume(job, task, client, wish);
  }

  async #resume(job: Job, task: StageTask, client: StageClient, wish: StopWish): Promise<void> {
    const resume = () => client.operations.resumeOperation({ id: task.operationId });
    await this.#patiently(job, task, wish, resume);
  }

  /** An operation that failed because its own partner was away (compression's calibration) is let go on. */
  async #untilEnded(
    job: Job,
    task: StageTask,
    client: StageClient,
    wish: StopWish,
    closing: AbortSignal,
  ): Promise<Outcome<OperationResult>> {
    const { giveUpMs, firstWaitMs, maxWaitMs } = this.#patience;
    const begun = Date.now();
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(2 * waitMs, maxWaitMs)) {
      const outcome = await this.#watch(job, task, client, closing);
      const error = outcome.status === 'failed' ? errorFromJson(outcome.error) : undefined;
      if (error === undefined || !isAway(error) || Date.now() - begun > giveUpMs) return outcome;
      if (wish.isStopped) return wish.outcome();
      await this.#sayAway(job, task, error);
      await sleepUnless(waitMs, wish.signal);
      await this.#resume(job, task, client, wish);
    }
  }

  async #watch(
    job: Job,
    task: StageTask,
    client: StageClient,
    closing: AbortSignal,
  ): Promise<Outcome<OperationResult>> {
    const { events } = this.#with;
    const id = task.operationId;
    const source = `operation/${id}`;
    for (;;) {
      const stream = resumeStream({
        open: (afterCursor, signal) => client.operations.watchOperation({ id, afterCursor }, { signal }),
        cursorOf: ({ event }) => event.cursor,
        from: await events.lastSourceCursor(job.id, source),
        signal: closing,
        giveUpMs: this.#patience.giveUpMs,
      });
      for await (const { event } of stream) {
        const stageEvent = { stage: task.stage, event: toStored(event) };
        await events.append(job.id, { stageEvent }, { source, sourceCursor: event.cursor });
      }
      // The end of an earlier attempt ends a watch too.
      const { operation } = await client.operations.getOperation({ id });
      const outcome = outcomeOf(operation);
      if (outcome !== undefined) return outcome;
      closing.throwIfAborted();
      await sleepUnless(lookAgainMs, closing);
    }
  }

  /** Passes a wish to stop on to the operation, whose end then ends the watch. */
  async #passOn(client: StageClient, task: StageTask, wish: StopWish, closing: AbortSignal): Promise<void> {
    const wanted = await wish.wanted;
    if (wanted === undefined) return;
    const { operations } = client;
    const ask = wanted === 'PAUSE' ? operations.pauseOperation : operations.cancelOperation;
    await whileAway(
      () => ask({ id: task.operationId }),
      closing,
      this.#patience,
      () => {},
    ).catch((error: unknown) =>
      this.#with.logger.error({ err: error, operation: task.operationId }, 'the operation was not stopped'),
    );
  }

  /** When this run of the job first came here, and whether that is now. */
  async #begin(job: Job, { stage: name, service, operationId }: StageTask): Promise<Begun> {
    const { events } = this.#with;
    const at = new Date();
    const stageChanged = {
      name,
      state: 'RUNNING',
      service,
      operationId,
      startedAt: at.toISOString(),
    } as const;
    const origin = { source: `stage/${operationId}/running`, sourceCursor: job.attempt };
    const isFirst = await events.append(job.id, { stageChanged }, origin);
    const earlier = job.attempt - 1;
    const wasBegun = earlier > 0 && (await events.find(job.id, { ...origin, sourceCursor: earlier }));
    return {
      at: isFirst ? at : ((await events.find(job.id, origin))?.at ?? at),
      isFirst,
      continues: wasBegun ? [stageKey(operationId, earlier)] : [],
    };
  }

  #patiently<T>(job: Job, task: StageTask, wish: StopWish, call: () => Promise<T>): Promise<T> {
    return whileAway(call, wish.signal, this.#patience, (error) => this.#sayAway(job, task, error));
  }

  async #sayAway(job: Job, task: StageTask, error: EmlocError): Promise<void> {
    this.#with.logger.warn({ err: error, job: job.id, stage: task.stage }, 'a service is away; trying again');
    await this.#sayAgain(job, task, `a service is away: ${error.message}`);
  }

  async #sayAgain(job: Job, task: StageTask, why: string): Promise<void> {
    const text = `${why}; trying again`;
    const event: StoredOperationEvent = { cursor: 0, notice: { text, warning: true } };
    const origin = { source: `away/${task.operationId}`, sourceCursor: Date.now() };
    await this.#with.events.append(job.id, { stageEvent: { stage: task.stage, event } }, origin);
  }
}

const wasCancelled = (error: unknown): boolean => error instanceof EmlocError && error.code === 'CANCELLED';
