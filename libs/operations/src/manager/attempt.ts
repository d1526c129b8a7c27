/**
 * One attempt at an operation: starts its process, watches its memory, lets a stop reach it, and writes down how it ended.
 * Owned by whoever holds the lease; nothing is written once that is lost.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { EmlocError } from '@emloc/errors';
import { appendEvent, repairEvents } from '../directory/event-log.ts';
import { leasePath, type LeaseHolder } from '../directory/lease.ts';
import type { Layout } from '../directory/layout.ts';
import { addUsage, clearError, readOutcome, writeError, type Outcome } from '../directory/outcome.ts';
import { deservesAnotherTry } from '../directory/deaths.ts';
import { errorFromJson, errorToJson, type ErrorJson } from '../error-json.ts';
import { readJson } from '../files.ts';
import { FrameType, jsonFrame } from '../frames/frame.ts';
import { FrameWriter } from '../frames/frame-writer.ts';
import { killAfterMs } from '../limits.ts';
import { freeReserve, holdReserve } from '../directory/reserve.ts';
import { diskFull, exitReason } from '../process/exit-reason.ts';
import { memoryOf, startTimeOf } from '../process/proc.ts';
import { spawnWorker, type Exit, type WorkerProcess } from '../process/spawn-worker.ts';
import type { StopMode, Usage } from '../types.ts';
import { AttemptNews } from './attempt-news.ts';
import type { AttemptEnd, OperationObserver } from './observer.ts';
import { leaseLostSignal, stateAfter, stopReason } from '../worker/order.ts';

export interface AttemptOptions {
  readonly layout: Layout;
  readonly lease: LeaseHolder;
  readonly kind: string;
  readonly worker: URL | string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly traceparent: string | undefined;
  readonly queuedAt: Date;
  readonly observer: OperationObserver;
  readonly memoryLimitBytes: number | undefined;
  readonly cancelGraceMs: number;
  /** The frames of an attached call; without them input is empty and output is thrown away. */
  readonly input?:
    AsyncIterable<Buffer> | ((signal: AbortSignal, traceparent: string | undefined) => AsyncIterable<Buffer>);
  readonly takeOutput?: (pipe: Readable) => void;
}

export class Attempt {
  readonly #options: AttemptOptions;
  readonly #startedMs = performance.now();
  #news: AttemptNews | undefined;
  #process: WorkerProcess | undefined;
  #mode: StopMode | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #lost = false;
  #overLimit = false;
  #inputFailure: unknown;
  readonly #ended = new AbortController();
  #peakRssBytes = 0;
  #peakRssAnonBytes = 0;

  constructor(options: AttemptOptions) {
    this.#options = options;
  }

  /** Until the end is written down. QUEUED: the operation waits for another attempt, by us or another. */
  async run(): Promise<AttemptEnd> {
    const { layout, lease, kind, traceparent, queuedAt, observer } = this.#options;
    repairEvents(layout);
    const { attempt } = lease;
    this.#news = new AttemptNews(layout, observer, { id: layout.id, kind, attempt, traceparent, queuedAt });
    const work = (own: string | undefined): Promise<AttemptEnd> => this.#run(own);
    return observer.around === undefined ? work(traceparent) : observer.around(this.#news.run, work);
  }

  async #run(traceparent: string | undefined): Promise<AttemptEnd> {
    const { layout, lease, kind } = this.#options;
    // The last owner died between its process's end and writing it down.
    const left = readOutcome(layout);
    if (left !== undefined && left.state !== 'QUEUED') return this.#finish(left);
    clearError(layout);
    if (this.#mode === undefined) this.checkStopFile();
    if (this.#mode !== undefined) return this.#finish(this.#stopped());
    if (!holdReserve(layout)) return this.#finish({ state: 'FAILED', error: errorToJson(diskFull()) });
    if (!lease.renew({ phase: 'running' })) return { state: 'LOST' };
    appendEvent(layout, { attempt: lease.attempt, state: 'RUNNING' });
    const log = openSync(layout.log, 'a');
    try {
      this.#process = spawnWorker({
        worker: this.#options.worker,
        order: {
          mode: 'operation',
          id: layout.id,
          kind,
          attempt: lease.attempt,
          directory: layout.directory,
          leasePath: leasePath(layout, lease.attempt),
          parentPid: process.pid,
        },
        env: { ...this.#options.env, TRACEPARENT: traceparent },
        log,
        report: (what) => this.#news?.report(what),
      });
    } finally {
      closeSync(log);
    }
    const { pid } = this.#process;
    if (pid > 0) {
      lease.renew({ workerPid: pid, workerStart: startTimeOf(pid) });
      this.#connect(this.#process, traceparent);
    }
    const exit = await this.#process.ended;
    this.#ended.abort();
    // What the group may have left behind.
    this.#process.kill('SIGKILL');
    freeReserve(layout);
    // Whoever took over ended the process, and writes from here on.
    if (this.#lost || !lease.renew()) {
      clearTimeout(this.#graceTimer);
      return { state: 'LOST' };
    }
    repairEvents(layout);
    return this.#finish(readOutcome(layout) ?? this.#died(exit));
  }

  /** Asks; the process has `cancelGraceMs` to come, then it is ended. A cancel overrides a pause, nothing a cancel. */
  stop(mode: StopMode, graceMs: number = this.#options.cancelGraceMs): void {
    if (this.#mode === 'cancel' || this.#mode === mode) return;
    this.#mode = mode;
    this.#process?.send({ stop: mode });
    this.#graceTimer ??= setTimeout(() => {
      this.#process?.kill('SIGTERM');
      this.#graceTimer = setTimeout(() => this.#process?.kill('SIGKILL'), killAfterMs);
    }, graceMs);
  }

  /** Another replica has the operation now. */
  abandon(): void {
    this.#lost = true;
    this.#process?.kill('SIGKILL');
  }

  /** Someone without a way to this process may have asked for a stop. */
  checkStopFile(): void {
    if (!existsSync(this.#options.layout.stop)) return;
    const asked = readJson<{ readonly mode: StopMode }>(this.#options.layout.stop);
    if (asked !== undefined) this.stop(asked.mode);
  }

  sample(): void {
    this.#news?.tell();
    const memory = this.#process === undefined ? undefined : memoryOf(this.#process.pid);
    if (memory === undefined) return;
    this.#peakRssBytes = Math.max(this.#peakRssBytes, memory.peakRssBytes);
    this.#peakRssAnonBytes = Math.max(this.#peakRssAnonBytes, memory.rssAnonBytes);
    const limit = this.#options.memoryLimitBytes;
    if (limit === undefined || memory.rssAnonBytes <= limit || this.#overLimit) return;
    this.#overLimit = true;
    this.#process?.kill('SIGKILL');
  }

  #connect(process: WorkerProcess, traceparent: string | undefined): void {
    const { input, takeOutput } = this.#options;
    if (takeOutput === undefined) process.output.resume();
    else takeOutput(process.output);
    const writer = new FrameWriter(process.input);
    const pump = async (): Promise<void> => {
      const frames = typeof input === 'function' ? input(this.#ended.signal, traceparent) : input;
      for await (const frame of frames ?? []) await writer.write(FrameType.data, frame);
    };
    void pump()
      .catch(async (error: unknown) => {
        // The process may end without reading all; that is its own affair.
        if (this.#ended.signal.aborted) return;
        if (error instanceof EmlocError && error.reason === 'READER_GONE') return;
        this.#inputFailure = error;
        // An input that breaks off must not look like one that ended: the process fails where it reads on.
        const { type, bytes } = jsonFrame(FrameType.error, errorToJson(error));
        await writer.write(type, bytes).catch(() => {});
      })
      .finally(() => void writer.end());
  }

  #stopped(): Outcome {
    const mode = this.#mode ?? 'cancel';
    return { state: stateAfter[mode], error: errorToJson(stopReason(mode)) };
  }

  #died(exit: Exit): Outcome {
    if (this.#mode !== undefined && !this.#overLimit) return this.#stopped();
    if (exit.signal === leaseLostSignal) return this.#lostSight();
    const usage = this.#usage(undefined);
    const { memoryLimitBytes, layout } = this.#options;
    const circumstances = { exit, logPath: layout.log, usage, memoryLimitBytes, overLimit: this.#overLimit };
    return { state: 'FAILED', error: errorToJson(exitReason(circumstances)) };
  }

  /** The process ended itself because its lease looked expired (the machine slept, or this process was stopped). */
  #lostSight(): Outcome {
    if (this.#options.takeOutput === undefined) return { state: 'QUEUED' };
    const error = new EmlocError('ABORTED', 'LEASE_LOST', 'the process lost its lease', {
      mend: 'call again',
    });
    return { state: 'FAILED', error: errorToJson(error) };
  }

  /** Frames that a caller gave or took are gone with the process: an attached call is its caller's to repeat. */
  #isTriedAgain(error: ErrorJson | undefined): boolean {
    const { layout, takeOutput } = this.#options;
    return takeOutput === undefined && error !== undefined && deservesAnotherTry(layout, error);
  }

  #usage(reported: number | undefined): Usage {
    return {
      peakRssBytes: Math.max(this.#peakRssBytes, reported ?? 0),
      peakRssAnonBytes: this.#peakRssAnonBytes,
      wallMs: Math.round(performance.now() - this.#startedMs),
    };
  }

  #finish(outcome: Outcome): AttemptEnd {
    const { layout, lease } = this.#options;
    this.#news?.tell();
    clearTimeout(this.#graceTimer);
    let { state, error } = outcome;
    if (this.#inputFailure !== undefined && state !== 'SUCCEEDED') {
      state = 'FAILED';
      error = errorToJson(this.#inputFailure);
    }
    // Released work tells no error; work that was killed tells why it begins again.
    const isAgain = state === 'FAILED' && this.#isTriedAgain(error);
    if (isAgain) state = 'QUEUED';
    const told = state === 'QUEUED' && !isAgain ? undefined : error;
    const usage = addUsage(layout, this.#usage(outcome.peakRssBytes));
    if (state === 'QUEUED') clearError(layout);
    else if (state !== 'SUCCEEDED') writeError(layout, { state, error });
    const line = { attempt: lease.attempt, state, usage };
    appendEvent(layout, told === undefined ? line : { ...line, error: told });
    lease.release();
    return { state, usage, ...(error === undefined ? {} : { error: errorFromJson(error) }) };
  }
}
