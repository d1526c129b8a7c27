/**
 * One connection of node-postgres to an embedded PGlite, without a socket: a stream that hands the messages of the
 * PostgreSQL protocol to the database and its answers back.
 *
 * PGlite has a single session, and unnamed statements, portals and transactions belong to it. So a connection owns the
 * database from its first message until the server says that it is idle again (ReadyForQuery, 'I'); others wait.
 * (@electric-sql/pglite-socket 0.2 hands over after each message, and portals of two connections get mixed up.)
 */
import { Duplex } from 'node:stream';
import type { PGlite } from '@electric-sql/pglite';

/** Waiters in order; whoever has acquired it must release it. */
export class Gate {
  #tail: Promise<void> = Promise.resolve();

  /** Resolves, when it is the caller's turn, to the function that ends the turn. */
  async acquire(): Promise<() => void> {
    let release = (): void => {};
    const before = this.#tail;
    this.#tail = new Promise((resolve) => (release = resolve));
    await before;
    return release;
  }
}

const typeOf = { terminate: 'X'.charCodeAt(0), readyForQuery: 'Z'.charCodeAt(0), idle: 'I'.charCodeAt(0) };

export class EmbeddedConnection extends Duplex {
  readonly #database: PGlite;
  readonly #gate: Gate;
  #pending: Buffer = Buffer.alloc(0);
  #started = false;
  #release: (() => void) | undefined;

  constructor(database: PGlite, gate: Gate) {
    super();
    this.#database = database;
    this.#gate = gate;
  }

  /** As net.Socket: node-postgres calls these. */
  connect(): this {
    process.nextTick(() => this.emit('connect'));
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#handleMessages().then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.push(null);
    this.#abandon().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#abandon().then(() => done(error), done);
  }

  async #handleMessages(): Promise<void> {
    for (let message = this.#take(); message !== undefined; message = this.#take()) {
      if (message[0] === typeOf.terminate && this.#started) return;
      this.#started = true;
      this.#release ??= await this.#gate.acquire();
      const answer = await this.#database.execProtocolRaw(message);
      if (isIdleAfter(answer)) this.#handOver();
      if (answer.length > 0) this.push(Buffer.from(answer));
    }
  }

  /** The next whole message: a type byte (but for the first, the startup message) and its length. */
  #take(): Buffer | undefined {
    const lengthAt = this.#started ? 1 : 0;
    if (this.#pending.length < lengthAt + 4) return undefined;
    const end = lengthAt + this.#pending.readInt32BE(lengthAt);
    if (this.#pending.length < end) return undefined;
    const message = this.#pending.subarray(0, end);
    this.#pending = this.#pending.subarray(end);
    return message;
  }

  #handOver(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** A connection that ends inside a transaction must not leave it to the next one. */
  async #abandon(): Promise<void> {
    if (this.#release === undefined) return;
    try {
      await this.#database.exec('ROLLBACK');
    } finally {
      this.#handOver();
    }
  }
}

/** Whether the server's answer ends with "ready, not in a transaction". */
function isIdleAfter(answer: Uint8Array): boolean {
  const view = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  let idle = false;
  for (let at = 0; at + 5 <= view.length; at += 1 + view.readInt32BE(at + 1)) {
    if (view[at] === typeOf.readyForQuery) idle = view[at + 5] === typeOf.idle;
  }
  return idle;
}
