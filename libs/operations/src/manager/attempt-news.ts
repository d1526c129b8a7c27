/** What the process of an attempt emits, told to the observer as it comes; and what became of the attempt before. */
import { EventReader } from '../directory/event-log.ts';
import type { Layout } from '../directory/layout.ts';
import type { OperationEvent } from '../types.ts';
import type { AttemptRun, LostAttempt, OperationObserver } from './observer.ts';

export class AttemptNews {
  readonly run: AttemptRun;
  readonly #reader: EventReader;
  readonly #observer: OperationObserver;

  /** Reads past what earlier attempts wrote. */
  constructor(layout: Layout, observer: OperationObserver, run: Omit<AttemptRun, 'lost'>) {
    this.#reader = new EventReader(layout);
    this.#observer = observer;
    let lost: LostAttempt | undefined;
    for (let events = this.#reader.read(); events.length > 0; events = this.#reader.read()) {
      for (const event of events) lost = afterEvent(lost, event);
    }
    this.run = { ...run, lost };
  }

  report(what: object): void {
    this.#observer.report?.(this.run, what);
  }

  /** Tells what came since. */
  tell(): void {
    if (this.#observer.event === undefined) return;
    for (let events = this.#reader.read(); events.length > 0; events = this.#reader.read()) {
      for (const { event } of events) {
        if (typeof event === 'object' && event !== null) this.#observer.event(this.run, event);
      }
    }
  }
}

/** An attempt is lost from the line that begins it to one that ends it. */
function afterEvent(
  lost: LostAttempt | undefined,
  { attempt, at, state }: OperationEvent,
): LostAttempt | undefined {
  if (state === 'RUNNING') return { attempt, startedAt: at, lastSeenAt: at };
  if (state !== undefined) return undefined;
  return lost === undefined ? undefined : { ...lost, lastSeenAt: at };
}
