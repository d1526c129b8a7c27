/** The process behind a WarmWorker: frames to it and from it, and why it is gone. */
import { EmlocError } from '@emloc/errors';
import { killAfterMs } from '../limits.ts';
import { FrameType, type Frame } from '../frames/frame.ts';
import { FrameWriter } from '../frames/frame-writer.ts';
import { readFrames } from '../frames/read-frames.ts';
import { exitReason } from '../process/exit-reason.ts';
import { spawnWorker, type SpawnOptions, type WorkerProcess } from '../process/spawn-worker.ts';

/** What the process prints is the service's own log; never its stdout, which may be somebody's data. */
const stderr = 2;

const noUsage = { peakRssBytes: 0, peakRssAnonBytes: 0, wallMs: 0 };

export class WarmProcess {
  readonly #process: WorkerProcess;
  readonly #writer: FrameWriter;
  readonly #frames: AsyncGenerator<Frame, void, void>;
  #dead = false;

  constructor({ worker, env, report }: Omit<SpawnOptions, 'order' | 'log'>) {
    const order = { mode: 'warm' as const, parentPid: process.pid };
    this.#process = spawnWorker({ worker, env, order, log: stderr, report });
    this.#writer = new FrameWriter(this.#process.input);
    this.#frames = readFrames(this.#process.output);
    void this.#process.ended.then(() => (this.#dead = true));
  }

  get dead(): boolean {
    return this.#dead;
  }

  get pid(): number {
    return this.#process.pid;
  }

  write(type: FrameType, bytes: Buffer): Promise<void> {
    return this.#writer.write(type, bytes);
  }

  /** The input and its END, which comes also where the input fails or `stop` says that nobody reads it. */
  async pump(input: AsyncIterable<Buffer> | Iterable<Buffer>, stop: AbortSignal): Promise<void> {
    const iterator = Symbol.asyncIterator in input ? input[Symbol.asyncIterator]() : input[Symbol.iterator]();
    const stopped = new Promise<undefined>((resolve) =>
      stop.addEventListener('abort', () => resolve(undefined), { once: true }),
    );
    try {
      for (;;) {
        const next = await Promise.race([stopped, iterator.next()]);
        if (next === undefined || next.done === true) break;
        await this.write(FrameType.data, next.value);
      }
    } finally {
      if (stop.aborted) void Promise.resolve(iterator.return?.()).catch(() => {});
      await this.write(FrameType.end, Buffer.alloc(0)).catch(() => {});
    }
  }

  /** undefined: it has ended, maybe inside a frame. */
  async read(): Promise<Frame | undefined> {
    try {
      const next = await this.#frames.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      if (this.#process.output.readableEnded || this.#process.output.destroyed) return undefined;
      throw error;
    }
  }

  send(message: object): void {
    this.#process.send(message);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async reasonOfDeath(stopped: boolean): Promise<EmlocError> {
    const exit = await this.#process.ended;
    if (stopped) return new EmlocError('CANCELLED', 'CALL_CANCELLED', 'the call was cancelled');
    const why = exitReason({
      exit,
      logPath: undefined,
      usage: noUsage,
      memoryLimitBytes: undefined,
      overLimit: false,
    });
    if (why.reason !== 'WORKER_CRASHED') return why;
    return new EmlocError('UNAVAILABLE', why.reason, why.message, { mend: 'try again' });
  }

  /** Its input ends, then it; SIGKILL where it does not. */
  async end(): Promise<void> {
    if (this.#process.child.connected) this.#process.child.disconnect();
    const timer = setTimeout(() => this.kill(), killAfterMs);
    await this.#process.ended;
    clearTimeout(timer);
  }
}
