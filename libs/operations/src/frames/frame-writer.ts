/** Frames into a pipe; each write waits until the kernel took it, so that a slow reader slows the writer. */
import type { Writable } from 'node:stream';
import { EmlocError } from '@emloc/errors';
import { frameHeader, type FrameType } from './frame.ts';

export class FrameWriter {
  readonly #pipe: Writable;
  #failure: Error | undefined;

  constructor(pipe: Writable) {
    this.#pipe = pipe;
    pipe.on('error', (error) => (this.#failure ??= error));
  }

  async write(type: FrameType, bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined || this.#pipe.destroyed) throw gone(this.#failure);
    this.#pipe.write(frameHeader(type, bytes.length));
    await new Promise<void>((resolve, reject) => {
      const closed = (): void => reject(gone(this.#failure));
      this.#pipe.once('close', closed);
      this.#pipe.write(bytes, (error) => {
        this.#pipe.off('close', closed);
        if (error == null) resolve();
        else reject(gone(error));
      });
    });
  }

  async end(): Promise<void> {
    if (this.#failure !== undefined || this.#pipe.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#pipe.once('close', resolve);
      this.#pipe.end(resolve);
    });
  }
}

const gone = (cause: Error | undefined): EmlocError =>
  new EmlocError('CANCELLED', 'READER_GONE', 'the other end of the tensor stream is gone', { cause });
