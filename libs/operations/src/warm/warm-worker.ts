/**
 * One process kept alive for small calls, one after the other: what costs a process 2 s to start (TensorFlow) is paid
 * once. Started by the first call, again by the next one where it died, ended when nobody called for a while.
 */
import { EmlocError } from '@emloc/errors';
import { defaultCancelGraceMs, defaultIdleMs, defaultMaxWaitingCalls } from '../limits.ts';
import { FrameType, jsonFrame, jsonOf } from '../frames/frame.ts';
import { errorFromJson, type ErrorJson } from '../error-json.ts';
import type { CallOrder } from '../worker/order.ts';
import { WarmCall, type WarmCallOptions } from './warm-call.ts';
import { WarmProcess } from './warm-process.ts';

export interface WarmWorkerOptions {
  readonly worker: URL | string;
  readonly idleMs?: number;
  readonly maxQueued?: number;
  readonly cancelGraceMs?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What a process reports, as it comes: nobody keeps it. */
  readonly report?: (what: object) => void;
}

export class WarmWorker {
  readonly #options: Required<WarmWorkerOptions>;
  readonly #waiting: WarmCall[] = [];
  #process: WarmProcess | undefined;
  #current: WarmCall | undefined;
  #idle: NodeJS.Timeout | undefined;
  #calls = 0;
  #closed = false;

  constructor(options: WarmWorkerOptions) {
    this.#options = {
      idleMs: defaultIdleMs,
      maxQueued: defaultMaxWaitingCalls,
      cancelGraceMs: defaultCancelGraceMs,
      env: {},
      report: () => {},
      ...options,
    };
  }

  /** The process that answers, while there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Is nothing being answered, and does nothing wait? */
  get idle(): boolean {
    return this.#current === undefined && this.#waiting.length === 0;
  }

  call(options: WarmCallOptions): WarmCall {
    if (this.#closed) throw stopping();
    if (this.#waiting.length >= this.#options.maxQueued) {
      throw new EmlocError('RESOURCE_EXHAUSTED', 'QUEUE_FULL', `${this.#waiting.length} calls wait already`, {
        mend: 'try again in a moment',
      });
    }
    const call = new WarmCall(++this.#calls, options);
    this.#waiting.push(call);
    void this.#work();
    return call;
  }

  /** The call in flight and those that wait fail; the process ends. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    for (const call of this.#waiting.splice(0)) call.fail(stopping());
    await this.#process?.end();
  }

  async #work(): Promise<void> {
    if (this.#current !== undefined) return;
    const call = this.#waiting.shift();
    if (call === undefined) return this.#restIdle();
    clearTimeout(this.#idle);
    this.#current = call;
    try {
      if (!call.over) await this.#answer(call);
    } catch (error) {
      call.fail(error);
    }
    this.#current = undefined;
    void this.#work();
  }

  async #answer(call: WarmCall): Promise<void> {
    if (this.#process === undefined || this.#process.dead) {
      this.#process = new WarmProcess(this.#options);
    }
    const process = this.#process;
    const { kind, request, traceparent, input } = call.options;
    const order: CallOrder = { call: call.number, kind, request, traceparent };
    let grace: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      process.send({ stop: 'cancel', call: call.number });
      grace ??= setTimeout(() => process.kill(), this.#options.cancelGraceMs);
    };
    call.onCancel(cancel);
    const answered = new AbortController();
    try {
      const begin = jsonFrame(FrameType.begin, order);
      await process.write(begin.type, begin.bytes);
      const pumped = process.pump(input ?? [], answered.signal).catch((error: unknown) => {
        if (process.dead || isReaderGone(error)) return;
        call.fail(error);
        cancel();
      });
      for (;;) {
        const frame = await process.read();
        if (frame === undefined) throw await process.reasonOfDeath(call.over);
        if (frame.type === FrameType.data) await call.give(frame.bytes);
        else if (frame.type === FrameType.end) call.succeed(jsonOf(frame));
        else call.fail(errorFromJson(jsonOf<ErrorJson>(frame)));
        if (frame.type !== FrameType.data) break;
      }
      answered.abort();
      await pumped;
    } catch (error) {
      // Nothing more can be said over pipes that broke: the next call gets another process.
      this.#process = undefined;
      await process.end();
      if (this.#closed) throw stopping();
      throw isReaderGone(error) ? await process.reasonOfDeath(call.over) : EmlocError.from(error);
    } finally {
      answered.abort();
      clearTimeout(grace);
    }
  }

  #restIdle(): void {
    clearTimeout(this.#idle);
    if (this.#process === undefined || this.#closed) return;
    this.#idle = setTimeout(() => {
      const process = this.#process;
      this.#process = undefined;
      void process?.end();
    }, this.#options.idleMs).unref();
  }
}

const isReaderGone = (error: unknown): boolean =>
  error instanceof EmlocError && error.reason === 'READER_GONE';

export const stopping = (): EmlocError =>
  new EmlocError('UNAVAILABLE', 'SERVICE_STOPPING', 'the service is stopping', { mend: 'try again' });
