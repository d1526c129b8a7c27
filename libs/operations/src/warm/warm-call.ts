/** One call to a warm process: its answers one at a time (a slow reader slows the process), and its result. */
import { EmlocError } from '@emloc/errors';

export interface WarmCallOptions {
  readonly kind: string;
  /** JSON. */
  readonly request: unknown;
  readonly input?: AsyncIterable<Buffer> | Iterable<Buffer>;
  readonly signal?: AbortSignal;
  readonly traceparent?: string;
}

type End = { readonly value: unknown } | { readonly error: unknown };

export class WarmCall {
  readonly number: number;
  readonly options: WarmCallOptions;
  #end: End | undefined;
  #frame: Buffer | undefined;
  #reading = false;
  #discarding = false;
  #cancel = (): void => {};
  #changed = (): void => {};
  #taken = (): void => {};
  readonly #abort = (): void => {
    this.fail(reasonOf(this.options.signal));
    this.#cancel();
  };

  constructor(number: number, options: WarmCallOptions) {
    this.number = number;
    this.options = options;
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    if (options.signal?.aborted === true) this.#abort();
  }

  /** Frames as the process wrote them. Throws its error; leaving the loop cancels the call. */
  get output(): AsyncIterable<Buffer> {
    return { [Symbol.asyncIterator]: () => this.#read() };
  }

  /** JSON. Output that nobody has begun to read by then is thrown away. */
  get result(): Promise<unknown> {
    setImmediate(() => {
      if (this.#reading) return;
      this.#discarding = true;
      this.#frame = undefined;
      this.#taken();
    });
    return this.#settled();
  }

  /** The caller has what it gets, and no more is given. */
  get over(): boolean {
    return this.#end !== undefined;
  }

  onCancel(cancel: () => void): void {
    this.#cancel = cancel;
    if (this.over) cancel();
  }

  /** Until the reader took it; at once where nobody wants it. */
  async give(frame: Buffer): Promise<void> {
    if (this.#discarding || this.over) return;
    this.#frame = frame;
    this.#changed();
    while (this.#frame !== undefined && !this.over)
      await new Promise<void>((resolve) => (this.#taken = resolve));
  }

  succeed(value: unknown): void {
    this.#settle({ value });
  }

  fail(error: unknown): void {
    this.#settle({ error });
  }

  #settle(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.options.signal?.removeEventListener('abort', this.#abort);
    for (const waiter of this.#waiters) waiter();
    this.#changed();
    this.#taken();
  }

  readonly #waiters = new Set<() => void>();

  async #settled(): Promise<unknown> {
    while (this.#end === undefined) await new Promise<void>((resolve) => this.#waiters.add(resolve));
    if ('error' in this.#end) throw this.#end.error;
    return this.#end.value;
  }

  #read(): AsyncGenerator<Buffer, void, void> {
    this.#reading = true;
    return this.#frames();
  }

  async *#frames(): AsyncGenerator<Buffer, void, void> {
    let left = true;
    try {
      for (;;) {
        if (this.#frame !== undefined) {
          const frame = this.#frame;
          this.#frame = undefined;
          this.#taken();
          yield frame;
          continue;
        }
        if (this.#end !== undefined) break;
        await new Promise<void>((resolve) => (this.#changed = resolve));
      }
      left = false;
      await this.#settled();
    } finally {
      if (left && !this.over) {
        this.fail(callEnded());
        this.#cancel();
      }
    }
  }
}

const callEnded = (): EmlocError => new EmlocError('CANCELLED', 'CALL_CANCELLED', 'the call was cancelled');

function reasonOf(signal: AbortSignal | undefined): EmlocError {
  const reason: unknown = signal?.reason;
  return reason instanceof EmlocError ? reason : callEnded();
}
