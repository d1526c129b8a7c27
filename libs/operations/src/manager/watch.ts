/** An operation's events as they come: read from its directory, so from any process that sees it, and from any cursor. */
import { setTimeout as wait } from 'node:timers/promises';
import { EventReader } from '../directory/event-log.ts';
import type { Layout } from '../directory/layout.ts';
import { pollMs } from '../limits.ts';
import { isFinal, type OperationEvent } from '../types.ts';

/**
 * All events after `afterCursor`, then live ones. Ends after a final state that nothing follows (a resumed operation has
 * final states in the middle), or quietly when the signal aborts.
 */
export async function* watchEvents(
  layout: Layout,
  afterCursor: number,
  signal?: AbortSignal,
): AsyncGenerator<OperationEvent, void, void> {
  const reader = new EventReader(layout);
  let last: OperationEvent | undefined;
  let events = reader.skip(afterCursor);
  for (;;) {
    for (const event of events) {
      if (aborted(signal)) return;
      yield event;
      last = event;
    }
    events = reader.read();
    if (events.length > 0) continue;
    // Also where the cursor was that of the end: there is nothing to wait for.
    last ??= lastOf(layout);
    if (last?.state !== undefined && isFinal(last.state)) return;
    try {
      await wait(pollMs, undefined, { signal });
    } catch {
      return;
    }
    events = reader.read();
  }
}

function lastOf(layout: Layout): OperationEvent | undefined {
  const reader = new EventReader(layout);
  let last: OperationEvent | undefined;
  for (let events = reader.read(); events.length > 0; events = reader.read()) last = events.at(-1);
  return last;
}

const aborted = (signal: AbortSignal | undefined): boolean => signal?.aborted ?? false;
