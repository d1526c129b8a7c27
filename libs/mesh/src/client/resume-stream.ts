/** A watch that outlives its connection: opened again after the last cursor when the service went away and came back. */
import { EmlocError } from '@emloc/errors';
import { sleep } from '../streams/sleep.ts';

export interface ResumeOptions<T, C> {
  readonly open: (cursor: C, signal: AbortSignal | undefined) => AsyncIterable<T>;
  readonly cursorOf: (item: T) => C;
  readonly from: C;
  readonly signal?: AbortSignal;
  /** Without an item for so long while the service is away, the failure is passed on. */
  readonly giveUpMs?: number;
}

const firstWaitMs = 100;
const maxWaitMs = 2000;

export async function* resumeStream<T, C>(options: ResumeOptions<T, C>): AsyncGenerator<T, void, void> {
  const { open, cursorOf, signal, giveUpMs = 60_000 } = options;
  let cursor = options.from;
  let awaySince: number | undefined;
  let waitMs = firstWaitMs;
  for (;;) {
    try {
      for await (const item of open(cursor, signal)) {
        cursor = cursorOf(item);
        awaySince = undefined;
        waitMs = firstWaitMs;
        yield item;
      }
      return;
    } catch (error) {
      if (!(error instanceof EmlocError) || error.code !== 'UNAVAILABLE' || signal?.aborted === true)
        throw error;
      awaySince ??= Date.now();
      if (Date.now() - awaySince >= giveUpMs) throw error;
      await sleep(waitMs * (0.5 + Math.random() / 2), signal);
      waitMs = Math.min(maxWaitMs, waitMs * 2);
    }
  }
}
