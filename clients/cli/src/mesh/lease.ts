/** A user's hold on the mesh that is up: while it is held, the mesh stays. */
import { connect, type Socket } from 'node:net';
import { onLines, sendLine } from './json-lines.ts';
import type { MeshFile } from './mesh-file.ts';

const answerWithinMs = 5_000;
/** Services drain for some seconds; then the mesh kills them. */
const goneWithinMs = 30_000;

export class Lease {
  readonly #socket: Socket;
  #answer: ((message: Record<string, unknown>) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    onLines(socket, (message) => this.#answer?.(message));
    socket.on('error', () => socket.destroy());
  }

  /** Knocks at the mesh that `mesh.json` names; undefined where nobody opens. */
  static async take(mesh: MeshFile): Promise<Lease | undefined> {
    const socket = connect(mesh.control.port, '127.0.0.1');
    const lease = new Lease(socket);
    const welcome = lease.#next();
    sendLine(socket, { token: mesh.control.token, pid: process.pid });
    if ((await welcome)?.['welcome'] === true) return lease;
    socket.destroy();
    return undefined;
  }

  /** Calls back when the mesh goes away under its user. */
  onLost(lost: () => void): void {
    this.#socket.once('close', lost);
  }

  /** Gives the hold up and waits: until the mesh is gone, or only until it says that others use it still. */
  async release(how: 'drain' | 'kill' = 'drain'): Promise<void> {
    this.#socket.removeAllListeners('close');
    if (this.#socket.destroyed) return;
    const gone = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    const answer = this.#next();
    sendLine(this.#socket, { leave: how });
    if ((await answer)?.['staying'] !== true) {
      const timer = setTimeout(() => this.#socket.destroy(), goneWithinMs);
      await gone;
      clearTimeout(timer);
    }
    this.#socket.destroy();
  }

  /** The next message, or undefined when the connection ends or nothing comes in time. */
  #next(): Promise<Record<string, unknown> | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), answerWithinMs);
      const end = (message?: Record<string, unknown>): void => {
        clearTimeout(timer);
        this.#answer = undefined;
        resolve(message);
      };
      this.#answer = end;
      this.#socket.once('close', () => end());
    });
  }
}
