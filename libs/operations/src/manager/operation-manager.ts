/**
 * A service's operations: starts them under ids of the clients' choice, answers for all of them (its own and those of other
 * replicas) from their directories, and takes over what has lost its owner.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { EmlocError } from '@emloc/errors';
import { appendEvent } from '../directory/event-log.ts';
import { clearDeaths } from '../directory/deaths.ts';
import { currentLease, isLive, type LeaseHolder } from '../directory/lease.ts';
import { clearError, clearStop } from '../directory/outcome.ts';
import { checkSameRequest, digestOf, type StoredRequest } from '../directory/request.ts';
import { readJson, writeJson } from '../files.ts';
import { sampleMs } from '../limits.ts';
import { isFinal, type Operation, type OperationEvent, type StopMode } from '../types.ts';
import { stateAfter, stopReason } from '../worker/order.ts';
import { attachedRun, type AttachedRun } from './attached-run.ts';
import {
  withDefaults,
  type AttachOptions,
  type ListOptions,
  type ManagerOptions,
  type StartOptions,
} from './options.ts';
import type { OperationCount } from './observer.ts';
import { pageOf, type Page } from './pages.ts';
import { Scheduler, type Frames } from './scheduler.ts';
import { OperationStore } from './store.ts';
import { watchEvents } from './watch.ts';

export class OperationManager {
  readonly #options: Required<ManagerOptions>;
  readonly #store: OperationStore;
  readonly #scheduler: Scheduler;
  #recovery: NodeJS.Timeout | undefined;

  constructor(options: ManagerOptions) {
    this.#options = withDefaults(options);
    this.#store = new OperationStore(options.stateDir);
    this.#scheduler = new Scheduler(this.#options, this.#store);
  }

  /** Queued or running; the same id with the same request is the same operation. */
  async start(options: StartOptions): Promise<Operation> {
    this.#begin(options, undefined);
    return this.#store.read(options.id);
  }

  /** Work bound to one call, with raw frames both ways. */
  async attach(options: AttachOptions): Promise<AttachedRun> {
    const id = options.id ?? `call-${randomUUID()}`;
    if (this.#store.exists(id)) {
      throw new EmlocError(
        'ALREADY_EXISTS',
        'OPERATION_ID_REUSED',
        `the operation ${id} exists, and is bound to a call`,
        {
          field: 'id',
          value: id,
          mend: 'choose another id, or none',
        },
      );
    }
    return attachedRun({
      begin: (takeOutput) => this.#begin({ ...options, id }, { input: options.input, takeOutput }),
      cancel: () => this.cancel(id),
      ended: async () => {
        await this.#scheduler.ended(id);
        const operation = await this.wait(id);
        if (options.keep !== true) this.#store.remove(id);
        return operation;
      },
      signal: options.signal,
    });
  }

  async get(id: string): Promise<Operation> {
    return this.#store.read(id);
  }

  async list(options: ListOptions = {}): Promise<Page> {
    const { kind, state, where = () => true, pageSize, pageToken } = options;
    const wanted = this.#store
      .readAll()
      .filter((o) => (kind === undefined || o.kind === kind) && (state === undefined || o.state === state))
      .filter(where);
    return pageOf(wanted, pageSize, pageToken);
  }

  /** What waits and runs in this process, by kind; every kind of its is named. */
  counts(): OperationCount[] {
    return this.#scheduler.counts();
  }

  /** All events after the cursor, then live ones; ends after the final state, or quietly when the signal aborts. */
  watch(id: string, afterCursor = 0, signal?: AbortSignal): AsyncIterable<OperationEvent> {
    return watchEvents(this.#store.layout(id), afterCursor, signal);
  }

  /** Until it has ended (or is paused). */
  async wait(id: string, signal?: AbortSignal): Promise<Operation> {
    const { cursor } = this.#store.read(id);
    for await (const _ of this.watch(id, cursor, signal));
    signal?.throwIfAborted();
    return this.#store.read(id);
  }

  cancel(id: string): Promise<Operation> {
    return this.#stop(id, 'cancel');
  }

  pause(id: string): Promise<Operation> {
    return this.#stop(id, 'pause');
  }

  /** FAILED, CANCELLED and PAUSED ones go on from their checkpoint; what runs or waits already is left alone. */
  async resume(id: string): Promise<Operation> {
    const operation = this.#store.read(id);
    this.#scheduler.kindOf(operation.kind);
    if (!isFinal(operation.state) && isLive(currentLease(this.#store.layout(id)))) return operation;
    await this.#scheduler.ended(id);
    const attached = this.#store.stored(id).attached === true;
    if (operation.state === 'SUCCEEDED' || attached) {
      throw new EmlocError(
        'FAILED_PRECONDITION',
        'OPERATION_NOT_RESUMABLE',
        `the operation ${id} cannot be resumed`,
        {
          field: 'id',
          value: id,
          mend: attached ? 'make the call again' : 'it has succeeded: use its result',
        },
      );
    }
    this.#scheduler.checkRoom();
    const lease = await this.#claimSoon(id);
    const layout = this.#store.layout(id);
    clearError(layout);
    clearStop(layout);
    clearDeaths(layout);
    appendEvent(layout, { attempt: lease.attempt, state: 'QUEUED' });
    this.#scheduler.enqueue(id, lease);
    return this.#store.read(id);
  }

  async delete(id: string): Promise<void> {
    if (!isFinal(this.#store.read(id).state)) {
      throw new EmlocError('FAILED_PRECONDITION', 'OPERATION_ACTIVE', `the operation ${id} has not ended`, {
        field: 'id',
        value: id,
        mend: 'cancel it first',
      });
    }
    await this.#scheduler.ended(id);
    this.#store.remove(id);
  }

  /** Takes over what has no live owner, now and every `leaseMs` until `close`. Gives the ids taken now. */
  async recover(): Promise<string[]> {
    this.#recovery ??= setInterval(() => void this.#takeOver(), this.#options.leaseMs).unref();
    return this.#takeOver();
  }

  /** Ends every process, gives the leases back; what ran or waited is QUEUED for whoever recovers it. */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    clearInterval(this.#recovery);
    await this.#scheduler.close(options.graceMs);
  }

  #begin(options: StartOptions, frames: Frames | undefined): void {
    const { id, kind, request, traceparent, memoryLimitBytes } = options;
    this.#scheduler.kindOf(kind);
    const digest = digestOf(kind, request);
    if (this.#store.exists(id)) return checkSameRequest(this.#store.stored(id), digest);
    this.#scheduler.checkRoom();
    const stored: StoredRequest = {
      id,
      kind,
      request,
      digest,
      createdAt: new Date().toISOString(),
      traceparent,
      memoryLimitBytes,
      attached: frames !== undefined,
    };
    if (!this.#store.create(stored)) return;
    const lease = this.#scheduler.claim(id);
    // A replica that recovers may have been faster than its maker.
    if (lease !== undefined) this.#scheduler.enqueue(id, lease, frames);
  }

  async #stop(id: string, mode: Exclude<StopMode, 'release'>): Promise<Operation> {
    const operation = this.#store.read(id);
    if (isFinal(operation.state)) return operation;
    const { stop } = this.#store.layout(id);
    // Read by the owner, whichever replica that is, and by the next one where it dies; a cancel stays a cancel.
    const asked = readJson<{ readonly mode: StopMode }>(stop);
    if (asked?.mode !== 'cancel') writeJson(stop, { mode, at: new Date().toISOString() });
    if (!this.#scheduler.stop(id, mode)) {
      const lease = this.#scheduler.claim(id);
      if (lease !== undefined) this.#scheduler.endWithout(id, lease, stateAfter[mode], stopReason(mode));
    }
    return this.#store.read(id);
  }

  #takeOver(): string[] {
    const waiting = this.#store
      .readAll()
      .filter(
        ({ id, kind, state }) => !isFinal(state) && this.#isOfOurKinds(kind) && !this.#scheduler.owns(id),
      );
    return waiting.map(({ id }) => id).filter((id) => this.#takeOne(id));
  }

  #takeOne(id: string): boolean {
    try {
      const lease = this.#scheduler.closing ? undefined : this.#scheduler.claim(id);
      if (lease === undefined) return false;
      if (this.#store.stored(id).attached !== true) {
        this.#scheduler.enqueue(id, lease);
        return true;
      }
      const gone = new EmlocError('ABORTED', 'CALLER_GONE', 'the service ended during the call', {
        mend: 'call again',
      });
      this.#scheduler.endWithout(id, lease, 'FAILED', gone);
    } catch (error) {
      // One that cannot be read or written must not keep the others waiting; the next round tries again.
      console.error(error);
    }
    return false;
  }

  #isOfOurKinds(kind: string): boolean {
    return Object.hasOwn(this.#options.kinds, kind);
  }

  /** A lease that is about to be given back (its end is being written down) is worth a short wait. */
  async #claimSoon(id: string): Promise<LeaseHolder> {
    for (let tries = 0; tries < 10; tries += 1) {
      const lease = this.#scheduler.claim(id);
      if (lease !== undefined) return lease;
      await wait(sampleMs);
    }
    throw new EmlocError('ABORTED', 'OPERATION_BUSY', `another replica is at work on the operation ${id}`, {
      field: 'id',
      value: id,
      mend: 'try again',
    });
  }
}
