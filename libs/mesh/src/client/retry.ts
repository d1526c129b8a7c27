/**
 * Repeats what failed with UNAVAILABLE: the one code that says the call may not have been run. Waits twice as long each
 * time, with full jitter, so that callers of a restarted service do not come back all at once.
 */
import { EmlocError } from '@emloc/errors';
import { sleep } from '../streams/sleep.ts';
import type { RetryPolicy } from './options.ts';

export interface Attempts {
  /** True (after the wait) where the failure is worth another try. */
  again(failure: unknown): Promise<boolean>;
}

export function attempts(
  policy: RetryPolicy,
  idempotent: boolean,
  signal: AbortSignal | undefined,
  deadline: number,
): Attempts {
  let made = 1;
  return {
    again: async (failure) => {
      if (!idempotent || made >= policy.attempts) return false;
      if (!(failure instanceof EmlocError) || failure.code !== 'UNAVAILABLE') return false;
      const waitMs = Math.random() * Math.min(policy.maxMs, policy.initialMs * 2 ** made);
      made += 1;
      if (Date.now() + waitMs >= deadline) return false;
      await sleep(waitMs, signal);
      return signal?.aborted !== true;
    },
  };
}
