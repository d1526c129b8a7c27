/** What a job's user wants while a stage runs: looked up often enough that a pause is felt at once. */
import type { JobStore } from '../jobs/job-store.ts';
import type { Wanted } from '../jobs/job.ts';
import { sleepUnless } from './sleep.ts';

const pollMs = 300;

type Stop = Exclude<Wanted, 'RUN'>;

export class StopWish implements Disposable {
  readonly #ended = new AbortController();
  readonly #stopped = new AbortController();
  /** Resolves to PAUSE or CANCEL once that is wanted; to undefined when nobody looks any more. */
  readonly wanted: Promise<Stop | undefined>;
  /** Aborts when the stage is to stop, or its coordinator ends. */
  readonly signal: AbortSignal;

  constructor(store: JobStore, jobId: string, closing: AbortSignal) {
    const looking = AbortSignal.any([this.#ended.signal, closing]);
    this.wanted = this.#look(store, jobId, looking);
    this.signal = AbortSignal.any([this.#stopped.signal, looking]);
  }

  get isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** How a stage that was stopped before it had an operation has ended. */
  async outcome(): Promise<{ readonly status: 'stopped'; readonly as: 'PAUSED' | 'CANCELLED' }> {
    return { status: 'stopped', as: (await this.wanted) === 'CANCEL' ? 'CANCELLED' : 'PAUSED' };
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  async #look(store: JobStore, jobId: string, looking: AbortSignal): Promise<Stop | undefined> {
    while (!looking.aborted) {
      // A database that does not answer for a while says nothing about what the user wants.
      const wanted = await store.wanted(jobId).catch(() => 'RUN' as const);
      if (wanted !== 'RUN') {
        this.#stopped.abort();
        return wanted;
      }
      await sleepUnless(pollMs, looking);
    }
    return undefined;
  }
}
