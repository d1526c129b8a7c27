/** Between layers: the event loop gets its turn (heartbeats, the signal itself), cancelling is looked for, memory is settled. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { settleMemory } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new EmlocError('CANCELLED', 'CANCELLED', 'the work was cancelled', { cause: signal.reason });
}

/** Lets the event loop run and hands back free memory, then stops if the work was cancelled. */
export async function breathe(signal: AbortSignal | undefined): Promise<void> {
  settleMemory();
  await nextTurn();
  throwIfCancelled(signal);
}
