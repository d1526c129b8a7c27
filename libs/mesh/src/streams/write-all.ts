/**
 * Writes what an iterable gives to a grpc-js stream, never more than `window` messages ahead of what HTTP/2 took: a slow
 * reader at the far end slows the iterable, and memory stays bounded.
 */
import type { Writable } from 'node:stream';
import { limits } from '../limits.ts';

export async function writeAll<T>(
  stream: Writable,
  messages: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal,
  window: number = limits.maxUnsentMessages,
): Promise<void> {
  let unsent = 0;
  let wake = (): void => {};
  const notify = (): void => wake();
  const taken = (): void => {
    unsent -= 1;
    wake();
  };
  signal.addEventListener('abort', notify);
  stream.on('close', notify).on('error', notify);
  try {
    for await (const message of untilAborted(messages, signal)) {
      unsent += 1;
      stream.write(message, taken);
      while (unsent >= window && !signal.aborted && !stream.destroyed) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (stream.destroyed) return;
    }
  } finally {
    signal.removeEventListener('abort', notify);
    stream.off('close', notify).off('error', notify);
  }
}

/** What `messages` gives until the signal aborts; then throws its reason at once, also while a message is awaited. */
export async function* untilAborted<T>(
  messages: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, void> {
  const iterator =
    Symbol.asyncIterator in messages ? messages[Symbol.asyncIterator]() : messages[Symbol.iterator]();
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  aborted.catch(() => {});
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  let done = false;
  try {
    for (;;) {
      const next = await Promise.race([aborted, iterator.next()]);
      if (next.done === true) {
        done = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    // Not awaited where the signal aborted: the iterable may be stuck in what the signal was to end.
    const returned = done ? undefined : Promise.resolve(iterator.return?.()).catch(() => {});
    if (!signal.aborted) await returned;
  }
}
