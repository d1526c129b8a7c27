/** How far the work is, said often enough to watch and seldom enough to keep. */
import { readMemory } from '@emloc/engine';
import type { WorkerContext } from '@emloc/operations';
import type { Progress } from '../operations/events.ts';

/** At most so often, but for the last step. */
const intervalMs = 250;

export interface ProgressExtras {
  readonly loss?: number;
  readonly tokensPerSecond?: number;
  readonly remainingSeconds?: number;
}

export class ProgressReporter {
  readonly #context: Pick<WorkerContext, 'emit'>;
  readonly #stage: string;
  readonly #totalSteps: number;
  readonly #begun = performance.now();
  #said = -Infinity;
  #first: number | undefined;

  constructor(context: Pick<WorkerContext, 'emit'>, stage: string, totalSteps: number) {
    this.#context = context;
    this.#stage = stage;
    this.#totalSteps = totalSteps;
  }

  /** `step` steps are done. What is not given is estimated from the steps before. */
  report(step: number, extras: ProgressExtras = {}): void {
    this.#first ??= step - 1;
    const now = performance.now();
    if (now - this.#said < intervalMs && step < this.#totalSteps) return;
    this.#said = now;
    const { rssBytes, peakRssBytes } = readMemory();
    const progress: Progress = {
      stage: this.#stage,
      step,
      totalSteps: this.#totalSteps,
      remainingSeconds: this.#remaining(step, now),
      ...extras,
      residentBytes: rssBytes,
      peakResidentBytes: peakRssBytes,
    };
    this.#context.emit({ progress });
  }

  #remaining(step: number, now: number): number | undefined {
    const done = step - (this.#first ?? 0);
    if (done <= 0) return undefined;
    return ((now - this.#begun) / 1000 / done) * Math.max(0, this.#totalSteps - step);
  }
}
