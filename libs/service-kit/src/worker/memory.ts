/** Memory of an operation: predicted and held against the budget before the work, measured after it. */
import { EmlocError } from '@emloc/errors';
import { readMemory } from '@emloc/engine';
import type { MemoryPrediction as PredictedPeak } from '@emloc/emloc';
import type { MemoryPrediction, ResourceUsage } from '../operations/events.ts';

export function predictionOf(predicted: PredictedPeak, budgetBytes: number | undefined): MemoryPrediction {
  return {
    peakResidentBytes: Math.round(predicted.totalBytes),
    budgetBytes,
    partsBytes: roundAll(predicted.parts),
  };
}

/** Refuses work that the budget cannot hold; `mend` says what would fit. */
export function assertWithinBudget(prediction: MemoryPrediction, mend: () => string): void {
  const { peakResidentBytes, budgetBytes } = prediction;
  if (budgetBytes === undefined || peakResidentBytes <= budgetBytes) return;
  throw new EmlocError(
    'RESOURCE_EXHAUSTED',
    'MEMORY_BUDGET_EXCEEDED',
    `this stage needs about ${mebibytes(peakResidentBytes)}, the budget is ${mebibytes(budgetBytes)}`,
    {
      field: 'memory_budget_bytes',
      value: String(budgetBytes),
      mend: mend(),
      metadata: { predicted_peak_bytes: String(peakResidentBytes) },
    },
  );
}

/** Watches this process from now on. Anonymous memory has no mark of its own in the kernel, so it is looked at often. */
export class UsageMeter implements Disposable {
  readonly #begun = performance.now();
  readonly #timer: NodeJS.Timeout;
  #anonymous = 0;

  constructor() {
    this.#timer = setInterval(() => this.#sample(), 100).unref();
    this.#sample();
  }

  read(): ResourceUsage {
    this.#sample();
    return {
      peakResidentBytes: readMemory().peakRssBytes,
      peakAnonymousBytes: this.#anonymous,
      wallSeconds: (performance.now() - this.#begun) / 1000,
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    this.#anonymous = Math.max(this.#anonymous, readMemory().rssAnonBytes);
  }
}

const roundAll = (parts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(parts).map(([name, bytes]) => [name, Math.round(bytes)]));

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
