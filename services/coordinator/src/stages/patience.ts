/** Calls that are repeated while a service is away: it restarts, or another replica takes its place. */
import { EmlocError } from '@emloc/errors';
import { maxKilledAttempts, wasKilled } from '@emloc/operations';
import { sleepUnless } from './sleep.ts';

export interface Patience {
  readonly firstWaitMs: number;
  readonly maxWaitMs: number;
  /** Away for so long is away for good: the job fails, and can be resumed. */
  readonly giveUpMs: number;
}

export const defaultPatience: Patience = { firstWaitMs: 200, maxWaitMs: 5000, giveUpMs: 15 * 60_000 };

/** A process that crashed on this very request would crash again: that is no absence. */
export const isAway = (error: unknown): boolean =>
  error instanceof EmlocError && error.code === 'UNAVAILABLE' && error.reason !== 'WORKER_CRASHED';

/** Repeats `call` while its service is away. `onAway` hears of the first failure. */
export async function whileAway<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
  patience: Patience,
  onAway: (error: EmlocError) => void | Promise<void>,
): Promise<T> {
  const begun = Date.now();
  for (let waitMs = patience.firstWaitMs, first = true; ; waitMs = Math.min(waitMs * 2, patience.maxWaitMs)) {
    try {
      return await call();
    } catch (error) {
      if (!isAway(error) || Date.now() - begun > patience.giveUpMs) throw error;
      if (first) await onAway(error as EmlocError);
      first = false;
      await sleepUnless(waitMs * (0.75 + Math.random() / 2), signal);
      if (signal.aborted) throw error;
    }
  }
}

/** Repeats a small call whose process was killed from outside, as often as operations, which see to that themselves. */
export async function whileKilled<T>(
  call: () => Promise<T>,
  onKilled: (error: EmlocError) => void | Promise<void>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof EmlocError) || !wasKilled(error) || tries === maxKilledAttempts) throw error;
      await onKilled(error);
    }
  }
}
