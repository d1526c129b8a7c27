/** A process that stays and answers small calls one after the other, over its two pipes. */
import { setMaxListeners } from 'node:events';
import { errorToJson } from '../error-json.ts';
import { FrameType, jsonFrame, jsonOf, type Frame } from '../frames/frame.ts';
import type { FrameWriter } from '../frames/frame-writer.ts';
import { readFrames } from '../frames/read-frames.ts';
import { abortable } from './abortable.ts';
import { letIn, type WorkerContext, type WorkerHandler, type WorkerOptions } from './context.ts';
import { handlerOf } from './operation-mode.ts';
import { stopReason, type CallOrder, type StopMessage, type WarmOrder } from './order.ts';
import { openInput, openOutput } from './pipes.ts';
import { report } from './report.ts';
import { startWatchdog } from './watchdog.ts';

export async function runWarm(
  order: WarmOrder,
  handlers: Readonly<Record<string, WorkerHandler>>,
  options: WorkerOptions,
): Promise<never> {
  let current: { readonly call: number; readonly stop: AbortController } | undefined;
  process.on('message', (message: StopMessage) => {
    if (message.call === current?.call) current?.stop.abort(stopReason(message.stop));
  });
  process.on('disconnect', () => process.exit(0));
  await startWatchdog(order.parentPid);
  const output = openOutput();
  const frames = readFrames(openInput());
  for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
    if (next.value.type !== FrameType.begin) continue;
    const call = jsonOf<CallOrder>(next.value);
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    current = { call: call.call, stop };
    const input = inputOf(frames, stop.signal);
    const answer = await answerOf(call, input, output, stop.signal, handlers, options);
    await output.write(answer.type, answer.bytes);
    await input.drain();
  }
  process.exit(0);
}

async function answerOf(
  call: CallOrder,
  input: AsyncIterable<Buffer>,
  output: FrameWriter,
  signal: AbortSignal,
  handlers: Readonly<Record<string, WorkerHandler>>,
  options: WorkerOptions,
): Promise<Frame> {
  const { kind, traceparent } = call;
  const id = `call-${call.call}`;
  const context: WorkerContext = {
    id,
    kind,
    attempt: 1,
    mode: 'warm',
    directory: '',
    checkpointDir: '',
    outputDir: '',
    signal,
    traceparent,
    input,
    output: { write: (frame) => abortable(output.write(FrameType.data, frame), signal) },
    emit: () => {},
    checkpointed: () => {},
    log: (line) => console.error(line),
    yield: () => letIn(signal),
  };
  try {
    const work = async (): Promise<unknown> => handlerOf(handlers, kind)(call.request, context);
    const run = { id, kind, attempt: 1, mode: 'warm' as const, traceparent, report };
    return jsonFrame(
      FrameType.end,
      await (options.around === undefined ? work() : options.around(run, work)),
    );
  } catch (error) {
    return jsonFrame(FrameType.error, errorToJson(error));
  }
}

/** The DATA frames of this call, up to its END, which `drain` reaches whether the work read them or not. */
function inputOf(
  frames: AsyncGenerator<Frame, void, void>,
  signal: AbortSignal,
): AsyncIterable<Buffer> & { drain(): Promise<void> } {
  let over = false;
  // Asked for and not yet given: an aborted wait must not lose it.
  let pending: Promise<IteratorResult<Frame, void>> | undefined;
  const next = async (wait: (frame: typeof pending & object) => typeof pending & object) => {
    if (over) return undefined;
    pending ??= frames.next();
    const frame = await wait(pending);
    pending = undefined;
    if (frame.done !== true && frame.value.type === FrameType.data) return frame.value.bytes;
    over = true;
    return undefined;
  };
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const bytes = await next((frame) => abortable(frame, signal));
        return bytes === undefined ? { done: true, value: undefined } : { done: false, value: bytes };
      },
    }),
    drain: async () => {
      while (!over) await next((frame) => frame);
    },
  };
}
