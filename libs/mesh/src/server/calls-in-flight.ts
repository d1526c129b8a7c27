/** The calls a server is in, so that a drain can wait for them and at last cancel them. */
import { EmlocError } from '@emloc/errors';

export class CallsInFlight {
  readonly #calls = new Set<AbortController>();
  readonly #draining = new AbortController();
  #wake = (): void => {};

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  get size(): number {
    return this.#calls.size;
  }

  begin(): AbortController {
    const controller = new AbortController();
    this.#calls.add(controller);
    return controller;
  }

  end(controller: AbortController): void {
    this.#calls.delete(controller);
    if (this.#calls.size === 0) this.#wake();
  }

  /** Says so to the calls, waits until none is left, and cancels those that still are after `ms`. */
  async drain(ms: number): Promise<void> {
    this.#draining.abort(stopping());
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const call of this.#calls) call.abort(stopping());
  }
}

const stopping = (): EmlocError =>
  new EmlocError('UNAVAILABLE', 'SERVICE_STOPPING', 'the service is stopping', { mend: 'try again' });
