/** Cancelling: looked for between layers, where the event loop gets its turn (heartbeats, the signal itself). */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EmlocError } from '@emloc/errors';

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new EmlocError('CANCELLED', 'CANCELLED', 'the work was cancelled', { cause: signal.reason });
}

/** Lets the event loop run, then stops if the work was cancelled. */
export async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await nextTurn();
  throwIfCancelled(signal);
}
