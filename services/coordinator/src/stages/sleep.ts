import { setTimeout as sleep } from 'node:timers/promises';

/** Sleeps, or returns early when the signal aborts; never throws. */
export async function sleepUnless(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
