/** An operation as its directory says it is. Readers keep their place in the event log, so that looking again is cheap. */
import { existsSync } from 'node:fs';
import { readJson } from '../files.ts';
import { isFinal, type Operation, type OperationEvent, type Usage } from '../types.ts';
import { EventReader } from './event-log.ts';
import { currentLease, isLive } from './lease.ts';
import { notFound, type Layout } from './layout.ts';
import { readResult } from './outcome.ts';
import { readRequest, type StoredRequest } from './request.ts';

export class OperationReader {
  readonly layout: Layout;
  readonly #events: EventReader;
  readonly stored: StoredRequest;
  #lastState: OperationEvent | undefined;
  #last: OperationEvent | undefined;
  #lastEmitted: unknown;

  constructor(layout: Layout) {
    this.layout = layout;
    this.stored = readRequest(layout);
    this.#events = new EventReader(layout);
  }

  read(): Operation {
    if (!existsSync(this.layout.request)) throw notFound(this.layout.id);
    for (let events = this.#events.read(); events.length > 0; events = this.#events.read()) {
      for (const event of events) {
        this.#last = event;
        if (event.state !== undefined) this.#lastState = event;
        if (event.event !== undefined) this.#lastEmitted = event.event;
      }
    }
    const lease = currentLease(this.layout);
    const state = this.#lastState?.state ?? 'QUEUED';
    const ended = isFinal(state);
    const { stored } = this;
    const error = state === 'PAUSED' ? undefined : this.#lastState?.error;
    const usage = this.#lastState?.usage ?? readJson<Usage>(this.layout.usage);
    return {
      id: stored.id,
      kind: stored.kind,
      // Its owner is gone: it waits for another.
      state: state === 'RUNNING' && !isLive(lease) ? 'QUEUED' : state,
      attempt: lease?.attempt ?? 0,
      request: stored.request,
      ...(state === 'SUCCEEDED' ? { result: readResult(this.layout) } : {}),
      ...(ended && error !== undefined ? { error } : {}),
      createdAt: new Date(stored.createdAt),
      updatedAt: this.#last?.at ?? new Date(stored.createdAt),
      ...(usage === undefined ? {} : { usage }),
      cursor: this.#events.cursor,
      ...(this.#lastEmitted === undefined ? {} : { lastEvent: this.#lastEmitted }),
      directory: this.layout.directory,
      ...(stored.traceparent === undefined ? {} : { traceparent: stored.traceparent }),
    };
  }
}
