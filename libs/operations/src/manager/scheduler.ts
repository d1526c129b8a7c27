/**
 * The operations whose leases are ours: so many run at a time, the others wait in order; leases are renewed, memory is
 * sampled, and what was asked through `stop.json` is heard.
 */
import type { Readable } from 'node:stream';
import { EmlocError } from '@emloc/errors';
import { appendEvent } from '../directory/event-log.ts';
import { LeaseHolder } from '../directory/lease.ts';
import { writeError } from '../directory/outcome.ts';
import { errorToJson } from '../error-json.ts';
import { sampleMs } from '../limits.ts';
import type { StopMode } from '../types.ts';
import { stateAfter, stopReason } from '../worker/order.ts';
import { Attempt } from './attempt.ts';
import type { OperationCount } from './observer.ts';
import { queueFull, type KindOptions, type ManagerOptions } from './options.ts';
import type { OperationStore } from './store.ts';

/** The frames of an attached call. */
export interface Frames {
  readonly input: AsyncIterable<Buffer> | undefined;
  readonly takeOutput: (pipe: Readable) => void;
}

interface Owned {
  readonly kind: string;
  readonly queuedAt: Date;
  readonly lease: LeaseHolder;
  readonly frames: Frames | undefined;
  readonly ended: Promise<void>;
  readonly end: () => void;
  attempt?: Attempt;
}

export class Scheduler {
  readonly #options: Required<ManagerOptions>;
  readonly #store: OperationStore;
  readonly #owned = new Map<string, Owned>();
  readonly #timer: NodeJS.Timeout;
  #renewedAt = Date.now();
  #closing = false;

  constructor(options: Required<ManagerOptions>, store: OperationStore) {
    this.#options = options;
    this.#store = store;
    this.#timer = setInterval(() => this.#tick(), sampleMs).unref();
  }

  get closing(): boolean {
    return this.#closing;
  }

  owns(id: string): boolean {
    return this.#owned.has(id);
  }

  /** Until an operation of ours has ended or left us; at once where it is not ours. */
  async ended(id: string): Promise<void> {
    await this.#owned.get(id)?.ended;
  }

  counts(): OperationCount[] {
    const owned = [...this.#owned.values()];
    return Object.keys(this.#options.kinds).map((kind) => {
      const own = owned.filter((each) => each.kind === kind);
      const running = own.filter(({ attempt }) => attempt !== undefined).length;
      return { kind, queued: own.length - running, running };
    });
  }

  claim(id: string): LeaseHolder | undefined {
    return LeaseHolder.claim(this.#store.layout(id), this.#options.owner, this.#options.leaseMs);
  }

  checkRoom(): void {
    if (this.#closing) {
      throw new EmlocError('UNAVAILABLE', 'SERVICE_STOPPING', 'the service is stopping', {
        mend: 'try again',
      });
    }
    const { maxConcurrent, maxQueued } = this.#options;
    if (this.#owned.size >= maxConcurrent + maxQueued) throw queueFull(maxQueued);
  }

  kindOf(kind: string): KindOptions {
    const options = Object.hasOwn(this.#options.kinds, kind) ? this.#options.kinds[kind] : undefined;
    if (options !== undefined) return options;
    const known = Object.keys(this.#options.kinds).join(', ');
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'KIND_UNKNOWN',
      `this service has no operations of the kind ${kind}`,
      {
        field: 'kind',
        value: kind,
        mend: `it has ${known}`,
      },
    );
  }

  enqueue(id: string, lease: LeaseHolder, frames?: Frames): void {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const { kind } = this.#store.stored(id);
    this.#owned.set(id, { kind, queuedAt: new Date(), lease, frames, ended, end });
    this.#startNext();
  }

  /** True where the operation is ours: it stops, or its process was told to. */
  stop(id: string, mode: Exclude<StopMode, 'release'>): boolean {
    const owned = this.#owned.get(id);
    if (owned === undefined) return false;
    if (owned.attempt !== undefined) owned.attempt.stop(mode);
    else {
      this.endWithout(id, owned.lease, stateAfter[mode], stopReason(mode));
      this.#leave(id, owned);
    }
    return true;
  }

  /** Ends what has no process. */
  endWithout(
    id: string,
    lease: LeaseHolder,
    state: 'FAILED' | 'CANCELLED' | 'PAUSED',
    reason: EmlocError,
  ): void {
    const layout = this.#store.layout(id);
    const error = errorToJson(reason);
    writeError(layout, { state, error });
    appendEvent(layout, { attempt: lease.attempt, state, error });
    lease.release();
  }

  async close(graceMs: number | undefined): Promise<void> {
    this.#closing = true;
    const ends = [...this.#owned.values()].map((owned) => owned.ended);
    for (const [id, owned] of this.#owned) {
      if (owned.attempt !== undefined)
        owned.attempt.stop(owned.frames === undefined ? 'release' : 'cancel', graceMs);
      else if (owned.frames !== undefined) this.stop(id, 'cancel');
      else {
        owned.lease.release();
        this.#leave(id, owned);
      }
    }
    await Promise.all(ends);
    clearInterval(this.#timer);
  }

  #startNext(): void {
    if (this.#closing) return;
    const all = [...this.#owned];
    let free = this.#options.maxConcurrent - all.filter(([, owned]) => owned.attempt !== undefined).length;
    for (const [id, owned] of all) {
      if (free <= 0) return;
      if (owned.attempt !== undefined) continue;
      free -= 1;
      owned.attempt = this.#attemptAt(id, owned);
      void this.#run(id, owned, owned.attempt);
    }
  }

  #attemptAt(id: string, { lease, frames, queuedAt }: Owned): Attempt {
    const stored = this.#store.stored(id);
    const kind = this.kindOf(stored.kind);
    const { request, traceparent } = stored;
    const input =
      kind.input &&
      ((signal: AbortSignal, own: string | undefined) =>
        kind.input!({ id, request, traceparent: own }, signal));
    const limits = [kind.memoryLimitBytes, stored.memoryLimitBytes].filter((limit) => limit !== undefined);
    return new Attempt({
      layout: this.#store.layout(id),
      lease,
      kind: stored.kind,
      worker: kind.worker,
      env: { ...this.#options.env, ...kind.env },
      traceparent,
      queuedAt,
      observer: this.#options.observer,
      memoryLimitBytes: limits.length === 0 ? undefined : Math.min(...limits),
      cancelGraceMs: this.#options.cancelGraceMs,
      input,
      ...frames,
    });
  }

  async #run(id: string, owned: Owned, attempt: Attempt): Promise<void> {
    let state: string | undefined;
    try {
      ({ state } = await attempt.run());
    } catch (error) {
      // Its directory cannot be written (a full disk, or it was removed): whoever finds it later goes on.
      attempt.abandon();
      console.error(error);
    }
    this.#leave(id, owned);
    if (state === 'QUEUED' && !this.#closing) {
      // Its process was killed, or lost sight of the lease although we hold it still.
      const lease = this.claim(id);
      if (lease !== undefined) return this.enqueue(id, lease);
    }
    this.#startNext();
  }

  #leave(id: string, owned: Owned): void {
    this.#owned.delete(id);
    owned.end();
  }

  #tick(): void {
    const renew = Date.now() - this.#renewedAt >= this.#options.leaseMs / 4;
    if (renew) this.#renewedAt = Date.now();
    for (const [id, owned] of this.#owned) {
      try {
        owned.attempt?.sample();
        owned.attempt?.checkStopFile();
        if (!renew || owned.lease.renew()) continue;
        if (owned.attempt === undefined) this.#leave(id, owned);
        else owned.attempt.abandon();
      } catch (error) {
        // A store that fails for a moment is tried again at the next tick; the lease decides if it lasts.
        if (EmlocError.from(error).code === 'NOT_FOUND') owned.attempt?.abandon();
      }
    }
  }
}
