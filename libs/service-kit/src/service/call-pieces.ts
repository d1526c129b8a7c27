/**
 * A stream of requests that come in pieces (`options`, tensors, `end`), cut into the pieces without being parsed: the
 * first byte of a message that is one oneof says which of its fields is set.
 */
import { EmlocError } from '@emloc/errors';

/** The first byte of a serialized message whose field `number` is a message: `(number << 3) | 2`. */
const tagOf = (number: number): number => (number << 3) | 2;
const first = tagOf(1);
const last = tagOf(3);

/** Between two messages of one piece; while it lasts, the piece holds the worker up. */
const patienceMs = 30_000;

export async function* pieces(requests: AsyncIterable<Buffer>): AsyncGenerator<AsyncIterable<Buffer>> {
  const iterator = requests[Symbol.asyncIterator]();
  try {
    for (;;) {
      const opening = await iterator.next();
      if (opening.done === true) return;
      if (opening.value[0] !== first) throw outOfOrder('a piece begins with its options', 'options');
      let isWhole = false;
      yield (async function* () {
        yield opening.value;
        while (!isWhole) {
          const next = await within(iterator.next());
          if (next.done === true) throw outOfOrder('the stream ended inside a piece', 'end');
          if (next.value[0] === first)
            throw outOfOrder('options came before the end of the piece before', 'options');
          isWhole = next.value[0] === last;
          yield next.value;
        }
      })();
      if (!isWhole) return;
    }
  } finally {
    // Not awaited: the stream may wait for its client at this moment, maybe for ever.
    void Promise.resolve(iterator.return?.(undefined)).catch(() => {});
  }
}

async function within<T>(next: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooSlow()), patienceMs);
  });
  try {
    return await Promise.race([next, late]);
  } finally {
    clearTimeout(timer);
  }
}

const tooSlow = (): EmlocError =>
  new EmlocError('DEADLINE_EXCEEDED', 'STREAM_TOO_SLOW', `nothing came for ${patienceMs / 1000} seconds`, {
    mend: 'send the tensors of a piece without long pauses',
  });

const outOfOrder = (what: string, field: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'STREAM_ORDER', what, {
    field,
    mend: 'send options, then the frames of the tensors, then end, for each piece',
  });
