/**
 * Warm processes by what they hold (a model), so that the next call with the same finds it there. At most so many: one
 * more key ends the process whose last call was longest ago.
 */
import type { WarmCall, WarmCallOptions } from './warm-call.ts';
import { stopping, WarmWorker, type WarmWorkerOptions } from './warm-worker.ts';

export interface WarmPoolOptions extends WarmWorkerOptions {
  readonly maxProcesses: number;
}

export class WarmPool {
  readonly #options: WarmPoolOptions;
  /** The one called last is the last. */
  readonly #workers = new Map<string, WarmWorker>();
  readonly #closing = new Set<Promise<void>>();
  #closed = false;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  /** A call to the process of this key, started where there is none. Where all others are busy, there is one more for a while. */
  call(key: string, options: WarmCallOptions): WarmCall {
    if (this.#closed) throw stopping();
    const worker = this.#workers.get(key) ?? new WarmWorker(this.#options);
    this.#workers.delete(key);
    this.#workers.set(key, worker);
    const call = worker.call(options);
    this.#endOldest();
    return call;
  }

  /** The process of a key, while there is one. */
  pidOf(key: string): number | undefined {
    return this.#workers.get(key)?.pid;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const key of [...this.#workers.keys()]) this.#end(key);
    await Promise.all(this.#closing);
  }

  #endOldest(): void {
    const idle = [...this.#workers].filter(([, worker]) => worker.idle).map(([key]) => key);
    for (const key of idle.slice(0, Math.max(0, this.#workers.size - this.#options.maxProcesses)))
      this.#end(key);
  }

  #end(key: string): void {
    const closing = this.#workers.get(key)!.close();
    this.#workers.delete(key);
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}
