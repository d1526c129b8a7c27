/**
 * The mesh's door: whoever uses the mesh holds a connection to it, and the mesh lives as long as somebody does. The
 * system closes the connection of a process however that ends, so no user can be forgotten or left over.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { onLines, sendLine } from './json-lines.ts';

/** The first user has so long to come in after the mesh is up. */
const firstUserMs = 10_000;

export interface DoorEvents {
  /** Nobody uses the mesh any more. */
  readonly onUnused: () => void;
  /** The last user wants it gone this instant. */
  readonly onKill: () => void;
}

export class Door {
  readonly token = randomBytes(24).toString('hex');
  readonly #server: Server;
  readonly #users = new Set<Socket>();
  readonly #leaving = new Set<Socket>();
  readonly #events: DoorEvents;
  #closing = false;
  #firstUser: NodeJS.Timeout | undefined;

  private constructor(events: DoorEvents) {
    this.#events = events;
    this.#server = createServer((socket) => this.#greet(socket));
  }

  static async open(events: DoorEvents): Promise<Door> {
    const door = new Door(events);
    await new Promise<void>((resolve, reject) => {
      door.#server.once('error', reject);
      door.#server.listen(0, '127.0.0.1', resolve);
    });
    return door;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** The mesh is up: wait for the first user, but not for ever. */
  expectUser(): void {
    this.#firstUser = setTimeout(() => this.#leaveIfUnused(), firstUserMs);
  }

  /** Nobody comes in any more; who waits for the mesh to be gone is told by the end of the connection. */
  shut(): void {
    this.#closing = true;
    clearTimeout(this.#firstUser);
  }

  /** The mesh is gone. */
  close(): void {
    this.shut();
    this.#server.close();
    for (const socket of [...this.#users, ...this.#leaving]) socket.destroy();
  }

  #greet(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#gone(socket));
    socket.setTimeout(firstUserMs, () => {
      if (!this.#users.has(socket) && !this.#leaving.has(socket)) socket.destroy();
    });
    onLines(socket, (message) => this.#hear(socket, message));
  }

  #hear(socket: Socket, message: Record<string, unknown>): void {
    if (!this.#users.has(socket)) {
      if (!this.#knows(message['token'])) return void socket.destroy();
      if (this.#closing) return void socket.end(`${JSON.stringify({ welcome: false })}\n`);
      clearTimeout(this.#firstUser);
      this.#users.add(socket);
      return sendLine(socket, { welcome: true });
    }
    if (message['leave'] === undefined) return;
    this.#users.delete(socket);
    const staying = this.#users.size > 0;
    sendLine(socket, { staying });
    if (staying) return void socket.end();
    this.#leaving.add(socket);
    if (message['leave'] === 'kill') this.#events.onKill();
    else this.#leaveIfUnused();
  }

  #gone(socket: Socket): void {
    this.#leaving.delete(socket);
    if (this.#users.delete(socket)) this.#leaveIfUnused();
  }

  #leaveIfUnused(): void {
    if (this.#users.size === 0 && !this.#closing) this.#events.onUnused();
  }

  #knows(token: unknown): boolean {
    const given = Buffer.from(String(token));
    const wanted = Buffer.from(this.token);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}
