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
  #said = -Infinity;
  /** The first report: work before it may have been done by an earlier process. */
  #first: { readonly step: number; readonly ms: number } | undefined;

  constructor(context: Pick<WorkerContext, 'emit'>, stage: string, totalSteps: number) {
    this.#context = context;
    this.#stage = stage;
    this.#totalSteps = totalSteps;
  }

  /** `step` steps are done. What is not given is estimated from the steps before. */
  report(step: number, extras: ProgressExtras = {}): void {
    const now = performance.now();
    this.#first ??= { step, ms: now };
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
    if (step >= this.#totalSteps) return 0;
    const { step: first, ms } = this.#first ?? { step, ms: now };
    if (step <= first) return undefined;
    return ((now - ms) / 1000 / (step - first)) * (this.#totalSteps - step);
  }
}
