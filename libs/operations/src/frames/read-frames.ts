/** Frames from a pipe, taken only as fast as they are read: what is not read waits in the kernel and stops the writer. */
import type { Readable } from 'node:stream';
import { EmlocError } from '@emloc/errors';
import { maxFrameBytes } from '../limits.ts';
import { headerBytes, type Frame, type FrameType } from './frame.ts';

/** Ends where the pipe ends between two frames; DATA_LOSS where it ends inside one. */
export async function* readFrames(pipe: Readable): AsyncGenerator<Frame, void, void> {
  const source = new ByteSource(pipe);
  try {
    for (;;) {
      const header = await source.take(headerBytes);
      if (header === undefined) return;
      const length = header.readUInt32LE(1);
      if (length > maxFrameBytes) throw broken(`a frame of ${length} bytes`);
      const bytes = length === 0 ? Buffer.alloc(0) : await source.take(length);
      if (bytes === undefined) throw broken('the pipe ended inside a frame');
      yield { type: header.readUInt8(0) as FrameType, bytes };
    }
  } finally {
    source.close();
  }
}

const broken = (what: string): EmlocError =>
  new EmlocError('DATA_LOSS', 'FRAME_STREAM_BROKEN', `the tensor stream of the process is broken: ${what}`);

/** Exactly so many bytes from a stream, in one buffer of their own. */
class ByteSource {
  readonly #pipe: Readable;
  #rest: Buffer = Buffer.alloc(0);
  #over = false;
  #wake = (): void => {};
  readonly #notify = (): void => this.#wake();
  readonly #end = (): void => {
    this.#over = true;
    this.#wake();
  };

  constructor(pipe: Readable) {
    this.#pipe = pipe;
    this.#over = pipe.readableEnded || pipe.destroyed;
    pipe.on('readable', this.#notify).on('end', this.#end).on('close', this.#end).on('error', this.#end);
  }

  /** undefined at the end of the stream, or where it ends before `count` bytes came. */
  async take(count: number): Promise<Buffer | undefined> {
    const taken = Buffer.allocUnsafeSlow(count);
    let filled = 0;
    while (filled < count) {
      if (this.#rest.length === 0) {
        const next = await this.#next();
        if (next === undefined) return filled === 0 ? undefined : this.#cutOff();
        this.#rest = next;
      }
      const part = this.#rest.copy(taken, filled);
      filled += part;
      this.#rest = this.#rest.subarray(part);
    }
    return taken;
  }

  close(): void {
    this.#pipe
      .off('readable', this.#notify)
      .off('end', this.#end)
      .off('close', this.#end)
      .off('error', this.#end);
    // Bytes that were read ahead belong to whoever reads next.
    if (this.#rest.length > 0 && !this.#over) this.#pipe.unshift(this.#rest);
  }

  #cutOff(): never {
    throw broken('the pipe ended inside a frame');
  }

  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      const bytes = this.#pipe.read() as Buffer | null;
      if (bytes !== null) return bytes;
      if (this.#over) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
