/**
 * Runs one operation of a stage to its end: starts it (its id is fixed, so a second start is none), copies its events
 * into the job's log, and passes the user's wish to pause or cancel on. Everything may be done again after a restart.
 */
import { EmlocError } from '@emloc/errors';
import { errorFromJson, errorToJson, type ErrorJson } from '@emloc/operations';
import { fromStatusMessage, resumeStream, withSpan, type Logger, type StatusMessage } from '@emloc/mesh';
import type { OperationResult } from '@emloc/service-kit';
import type { JobEvents } from '../jobs/job-events.ts';
import type { JobStore } from '../jobs/job-store.ts';
import type { Job, StageName, StoredOperationEvent } from '../jobs/job.ts';
import { pruned } from '../jobs/pruned.ts';
import type { TrainingOutlook } from './plan.ts';
import { defaultPatience, isAway, whileAway, type Patience } from './patience.ts';
import { sleepUnless } from './sleep.ts';
import type { StageClient, StageClients, StageService } from './stage-clients.ts';
import { untilStopWanted, type StopWish } from './wish.ts';

export interface StageTask {
  readonly stage: StageName;
  readonly service: StageService;
  /** Of the service's own contract, such as `startTraining`. */
  readonly rpc: string;
  readonly operationId: string;
  /** Without `operation_id`. */
  readonly request: object;
}

export type StageOutcome =
  | { readonly status: 'succeeded'; readonly result: OperationResult }
  | { readonly status: 'failed'; readonly error: ErrorJson }
  | { readonly status: 'stopped'; readonly as: 'PAUSED' | 'CANCELLED' };

export type PlanOutcome =
  | { readonly status: 'succeeded'; readonly result: TrainingOutlook }
  | Exclude<StageOutcome, { readonly status: 'succeeded' }>;

interface Dependencies {
  readonly store: JobStore;
  readonly events: JobEvents;
  readonly clients: StageClients;
  readonly logger: Logger;
  readonly patience?: Patience;
}

/** How often an operation whose own partner was away (compression's calibration) is let go on. */
const maxRevivals = 5;

/** All rows are read and made tokens. */
const planDeadlineMs = 10 * 60_000;

export class StageRunner {
  readonly #with: Dependencies;
  readonly #patience: Patience;

  constructor(dependencies: Dependencies) {
    this.#with = dependencies;
    this.#patience = dependencies.patience ?? defaultPatience;
  }

  async run(job: Job, task: StageTask, closing: AbortSignal): Promise<StageOutcome> {
    const attributes = { 'emloc.job.id': job.id, 'emloc.operation.id': task.operationId };
    return withSpan(`stage ${task.stage}`, attributes, async () => {
      const ended = new AbortController();
      const signal = AbortSignal.any([ended.signal, closing]);
      const wish = untilStopWanted(this.#with.store, job.id, signal);
      try {
        return await this.#run(job, task, wish, signal);
      } catch (error) {
        return { status: 'failed', error: errorToJson(error) };
      } finally {
        ended.abort();
      }
    });
  }

  /** Asks the training service what the training would be. Bad data, options and models are refused here. */
  async plan(job: Job, request: object, closing: AbortSignal): Promise<PlanOutcome> {
    const task: StageTask = {
      stage: 'plan',
      service: 'training',
      rpc: 'planTraining',
      operationId: `${job.id}-plan`,
      request,
    };
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, closing]);
    const wish = untilStopWanted(this.#with.store, job.id, signal);
    const stopped = new AbortController();
    void wish.then((wanted) => wanted !== undefined && stopped.abort(wanted));
    const starting = AbortSignal.any([signal, stopped.signal]);
    const call = (): Promise<TrainingOutlook> =>
      this.#with.clients
        .of('training')
        .call('planTraining', request, { signal: starting, deadlineMs: planDeadlineMs });
    try {
      await this.#begin(job, task);
      const outlook = await whileAway(call, starting, this.#patience, (error) =>
        this.#sayAway(job, task, error),
      );
      return { status: 'succeeded', result: pruned(outlook) as TrainingOutlook };
    } catch (error) {
      if (stopped.signal.aborted) return { status: 'stopped', as: stoppedAs(await wish) };
      return { status: 'failed', error: errorToJson(error) };
    } finally {
      ended.abort();
    }
  }

  async #run(
    job: Job,
    task: StageTask,
    wish: Promise<StopWish | undefined>,
    signal: AbortSignal,
  ): Promise<StageOutcome> {
    // A run that was resumed meanwhile (its end was lost in a crash) leaves the work to its successor.
    if ((await this.#with.store.get(job.id)).attempt !== job.attempt)
      return { status: 'stopped', as: 'PAUSED' };
    const client = this.#with.clients.of(task.service);
    const isFirst = await this.#begin(job, task);
    const stopped = new AbortController();
    void wish.then((wanted) => wanted !== undefined && stopped.abort(wanted));
    const starting = AbortSignal.any([signal, stopped.signal]);
    const patiently = <T>(call: () => Promise<T>): Promise<T> =>
      whileAway(call, starting, this.#patience, (error) => this.#sayAway(job, task, error));
    try {
      const request = { ...task.request, operationId: task.operationId };
      const started = await patiently(() => client.call<{ operation: { state: string } }>(task.rpc, request));
      // What failed or was paused in an earlier run of the job goes on; what failed in this one has failed.
      if (isFirst && isStopped(started.operation.state)) {
        await patiently(() => client.operations.resumeOperation({ id: task.operationId }));
      }
    } catch (error) {
      if (stopped.signal.aborted && isAway(error)) return { status: 'stopped', as: stoppedAs(await wish) };
      throw error;
    }
    void this.#passOn(client, task, wish, signal);
    for (let revivals = 0; ; revivals += 1) {
      const outcome = await this.#watch(job, task, client, signal);
      if (outcome.status !== 'failed' || !isAway(errorFromJson(outcome.error)) || revivals >= maxRevivals) {
        return outcome;
      }
      if (stopped.signal.aborted) return { status: 'stopped', as: stoppedAs(await wish) };
      await this.#sayAway(job, task, errorFromJson(outcome.error));
      await sleepUnless(this.#patience.firstWaitMs * 2 ** (revivals + 2), starting);
      await patiently(() => client.operations.resumeOperation({ id: task.operationId }));
    }
  }

  /** Whether this run of the job had not come here before. */
  #begin(job: Job, task: StageTask): Promise<boolean> {
    const { stage: name, service, operationId } = task;
    const stageChanged = {
      name,
      state: 'RUNNING',
      service,
      operationId,
      startedAt: new Date().toISOString(),
    } as const;
    return this.#with.events.append(
      job.id,
      { stageChanged },
      {
        source: `stage/${task.operationId}/running`,
        sourceCursor: job.attempt,
      },
    );
  }

  async #watch(job: Job, task: StageTask, client: StageClient, signal: AbortSignal): Promise<StageOutcome> {
    const { events } = this.#with;
    const source = `operation/${task.operationId}`;
    const from = await events.lastSourceCursor(job.id, source);
    const stream = resumeStream({
      open: (afterCursor, s) =>
        client.operations.watchOperation({ id: task.operationId, afterCursor }, { signal: s }),
      cursorOf: ({ event }) => event.cursor,
      from,
      signal,
      giveUpMs: this.#patience.giveUpMs,
    });
    for await (const { event } of stream) {
      const stored = toStored(event);
      await events.append(
        job.id,
        { stageEvent: { stage: task.stage, event: stored } },
        { source, sourceCursor: event.cursor },
      );
    }
    // The log's own last word may have been seen before a restart: the operation says how it ended.
    const { operation } = await client.operations.getOperation({ id: task.operationId });
    return outcomeOf(operation);
  }

  /** Passes a wish to stop on to the operation, whose end then ends the watch. */
  async #passOn(
    client: StageClient,
    task: StageTask,
    wish: Promise<StopWish | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = await wish;
    if (wanted === undefined) return;
    const { operations } = client;
    const ask = wanted === 'PAUSE' ? operations.pauseOperation : operations.cancelOperation;
    await whileAway(
      () => ask({ id: task.operationId }),
      signal,
      this.#patience,
      () => {},
    ).catch((error: unknown) =>
      this.#with.logger.error(
        { err: error, operation: task.operationId },
        'the operation could not be stopped',
      ),
    );
  }

  async #sayAway(job: Job, task: StageTask, error: EmlocError): Promise<void> {
    this.#with.logger.warn({ err: error, job: job.id, stage: task.stage }, 'service is away; trying again');
    const text = `${task.service} is away, trying again: ${error.message}`;
    const event: StoredOperationEvent = { cursor: 0, notice: { text, warning: true } };
    await this.#with.events.append(
      job.id,
      { stageEvent: { stage: task.stage, event } },
      {
        source: `away/${task.operationId}`,
        sourceCursor: Date.now(),
      },
    );
  }
}

const isStopped = (state: string): boolean => /_(FAILED|CANCELLED|PAUSED)$/.test(state);

const stoppedAs = (wanted: StopWish | undefined): 'PAUSED' | 'CANCELLED' =>
  wanted === 'CANCEL' ? 'CANCELLED' : 'PAUSED';

interface EndedOperation {
  readonly id: string;
  readonly state: string;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: StatusMessage;
}

function outcomeOf(operation: EndedOperation): StageOutcome {
  switch (operation.state) {
    case 'OPERATION_STATE_SUCCEEDED':
      return { status: 'succeeded', result: pruned(operation.result) as OperationResult };
    case 'OPERATION_STATE_PAUSED':
      return { status: 'stopped', as: 'PAUSED' };
    case 'OPERATION_STATE_CANCELLED':
      return { status: 'stopped', as: 'CANCELLED' };
    default: {
      const unknown = new EmlocError(
        'INTERNAL',
        'OPERATION_LOST',
        `${operation.id} ended as ${operation.state}`,
      );
      const error = operation.error ? fromStatusMessage(operation.error) : unknown;
      return { status: 'failed', error: errorToJson(error) };
    }
  }
}

/** Errors hold bytes on the wire; in the log they are JSON. */
function toStored(
  event: Readonly<Record<string, unknown>> & { readonly cursor: number },
): StoredOperationEvent {
  const change = event['stateChanged'] as { state: string; error?: StatusMessage | null } | undefined;
  const kept = pruned({ ...event, stateChanged: undefined }) as StoredOperationEvent;
  if (change === undefined || change === null) return kept;
  const error = change.error ? errorToJson(fromStatusMessage(change.error)) : undefined;
  const rest = pruned({ ...change, error: undefined }) as { state: string };
  return { ...kept, stateChanged: error === undefined ? rest : { ...rest, error } };
}
