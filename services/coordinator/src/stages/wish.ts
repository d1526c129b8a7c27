/** What a job's user wants while a stage runs: looked up often enough that a pause is felt at once. */
import type { JobStore } from '../jobs/job-store.ts';
import type { Wanted } from '../jobs/job.ts';
import { sleepUnless } from './sleep.ts';

const pollMs = 300;

export type StopWish = Exclude<Wanted, 'RUN'>;

/** Resolves to PAUSE or CANCEL once that is wanted; to undefined when `signal` aborts. */
export async function untilStopWanted(
  store: JobStore,
  jobId: string,
  signal: AbortSignal,
): Promise<StopWish | undefined> {
  while (!signal.aborted) {
    // A database that does not answer for a while says nothing about what the user wants.
    const wanted = await store.wanted(jobId).catch(() => 'RUN' as const);
    if (wanted !== 'RUN') return wanted;
    await sleepUnless(pollMs, signal);
  }
  return undefined;
}
