/** The measured counterpart of a prediction: the highest memory of this process while some work ran. */
import { readMemory, resetPeak } from '@emloc/engine';

export interface MeasuredPeak {
  /** The most memory that was resident, mapped files and libraries included. */
  readonly peakBytes: number;
  /** The most private memory that was seen between steps of the work; the kernel keeps no mark of it. */
  readonly peakPrivateBytes: number;
}

/** Samples private memory whenever told to, and gives both marks at the end. */
export class PeakMeter {
  #private = 0;

  constructor() {
    resetPeak();
    this.sample();
  }

  sample(): void {
    this.#private = Math.max(this.#private, readMemory().rssAnonBytes);
  }

  read(): MeasuredPeak {
    this.sample();
    return { peakBytes: readMemory().peakRssBytes, peakPrivateBytes: this.#private };
  }
}

/** Runs `work` and says what it took. Best in a process of its own, where nothing else counts. */
export async function measurePeak<T>(
  work: (meter: PeakMeter) => T | Promise<T>,
): Promise<MeasuredPeak & { readonly result: T }> {
  const meter = new PeakMeter();
  // Private memory has no high-water mark, so it is looked at while the work yields.
  const timer = setInterval(() => meter.sample(), 100);
  try {
    const result = await work(meter);
    return { ...meter.read(), result };
  } finally {
    clearInterval(timer);
  }
}
