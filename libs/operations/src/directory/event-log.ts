/**
 * `events.jsonl`: the one truth about an operation's state, and its progress. Only appended to, a line at a time, by the
 * lease's owner while no process runs and by the process while it does. A line that was cut off by a crash never counts:
 * readers take whole lines, and the next owner cuts the rest away.
 */
import { appendFileSync, closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { EmlocError } from '@emloc/errors';
import { errorFromJson, type ErrorJson } from '../error-json.ts';
import { maxEventBytes } from '../limits.ts';
import type { OperationEvent, OperationState, Usage } from '../types.ts';
import { notFound, type Layout } from './layout.ts';

export interface EventLine {
  readonly at: string;
  readonly attempt: number;
  readonly state?: OperationState;
  readonly event?: unknown;
  readonly error?: ErrorJson;
  readonly usage?: Usage;
}

export function appendEvent(layout: Layout, line: Omit<EventLine, 'at'>): void {
  const text = `${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`;
  if (Buffer.byteLength(text) > maxEventBytes) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'EVENT_TOO_LARGE',
      `the event has ${Buffer.byteLength(text)} bytes, the limit is ${maxEventBytes}`,
      { field: 'event', mend: 'write data to the output directory and name it in the event' },
    );
  }
  appendFileSync(layout.events, text);
}

/** Cuts away what follows the last whole line. Only for the owner, while no process of it runs. */
export function repairEvents(layout: Layout): void {
  const file = openSync(layout.events, 'r+');
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, 2 * maxEventBytes));
    readSync(file, tail, 0, tail.length, size - tail.length);
    const end = size - tail.length + tail.lastIndexOf(0x0a) + 1;
    if (end < size) ftruncateSync(file, end);
  } finally {
    closeSync(file);
  }
}

const blockBytes = 256 * 1024;

/** Reads on from where it stopped; each reader has its own place. */
export class EventReader {
  readonly #layout: Layout;
  #offset = 0;
  #cursor = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Lines read so far. */
  get cursor(): number {
    return this.#cursor;
  }

  /** The whole lines that came since, some 256 KiB of them at most; empty: none for now. */
  read(): OperationEvent[] {
    const file = this.#open();
    try {
      let block = Buffer.allocUnsafe(blockBytes);
      let length = readSync(file, block, 0, block.length, this.#offset);
      let end = block.lastIndexOf(0x0a, length - 1);
      if (end < 0 && length === block.length) {
        block = Buffer.allocUnsafe(2 * maxEventBytes + blockBytes);
        length = readSync(file, block, 0, block.length, this.#offset);
        end = block.lastIndexOf(0x0a, length - 1);
      }
      if (length === 0 || end < 0) return [];
      this.#offset += end + 1;
      return block
        .toString('utf8', 0, end)
        .split('\n')
        .flatMap((text) => this.#parse(text) ?? []);
    } finally {
      closeSync(file);
    }
  }

  /** Reads past the first `count` lines. */
  skip(count: number): OperationEvent[] {
    for (;;) {
      const events = this.read();
      if (this.#cursor >= count) return events.filter((event) => event.cursor > count);
      if (events.length > 0) continue;
      throw new EmlocError(
        'OUT_OF_RANGE',
        'CURSOR_BEYOND_END',
        `the cursor ${count} is beyond the ${this.#cursor} events of ${this.#layout.id}`,
        {
          field: 'after_cursor',
          value: String(count),
          mend: 'watch from a cursor that an event gave, or from 0',
        },
      );
    }
  }

  #open(): number {
    try {
      return openSync(this.#layout.events, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(this.#layout.id);
      throw error;
    }
  }

  /** A line that a failing disk spoilt is passed over, and counts as a line. */
  #parse(text: string): OperationEvent | undefined {
    this.#cursor += 1;
    let parsed: EventLine;
    try {
      parsed = JSON.parse(text) as EventLine;
    } catch {
      return undefined;
    }
    const { at, error, ...line } = parsed;
    return {
      ...line,
      cursor: this.#cursor,
      at: new Date(at),
      ...(error === undefined ? {} : { error: errorFromJson(error) }),
    };
  }
}
