/**
 * A grpc-js stream as an AsyncIterable that takes one message at a time (so HTTP/2 flow control reaches the sender) and
 * leaves the stream alone when its reader stops early: destroying it is the call's affair, not the reader's.
 */
import type { Readable } from 'node:stream';

export async function* readAll<T>(stream: Readable, signal: AbortSignal): AsyncGenerator<T, void, void> {
  let over = stream.readableEnded || stream.destroyed;
  let failure: unknown;
  let wake = (): void => {};
  const notify = (): void => wake();
  const onEnd = (): void => {
    over = true;
    wake();
  };
  const onError = (error: unknown): void => {
    failure ??= error;
    wake();
  };
  stream.on('readable', notify).on('end', onEnd).on('close', onEnd).on('error', onError);
  signal.addEventListener('abort', notify);
  try {
    for (;;) {
      if (signal.aborted) throw signal.reason;
      const message = stream.read() as T | null;
      if (message !== null) {
        yield message;
        continue;
      }
      if (failure !== undefined) throw failure;
      if (over) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stream.off('readable', notify).off('end', onEnd).off('close', onEnd).off('error', onError);
    signal.removeEventListener('abort', notify);
  }
}
