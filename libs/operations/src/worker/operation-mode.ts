/** A process that runs one operation, leaves `result.json` or `error.json`, and ends. */
import { mkdirSync } from 'node:fs';
import { setMaxListeners } from 'node:events';
import { EmlocError } from '@emloc/errors';
import { appendEvent } from '../directory/event-log.ts';
import { errorToJson } from '../error-json.ts';
import { clearDeaths } from '../directory/deaths.ts';
import { layoutAt } from '../directory/layout.ts';
import { writeError, writeResult } from '../directory/outcome.ts';
import { readRequest } from '../directory/request.ts';
import { FrameType } from '../frames/frame.ts';
import type { FrameWriter } from '../frames/frame-writer.ts';
import { memoryOf } from '../process/proc.ts';
import type { StopMode } from '../types.ts';
import { abortable, abortableItems } from './abortable.ts';
import { letIn, type WorkerContext, type WorkerHandler, type WorkerOptions } from './context.ts';
import { diskFullExitCode, stateAfter, stopReason, type OperationOrder, type StopMessage } from './order.ts';
import { inputOfOperation, openOutput } from './pipes.ts';
import { report, reported } from './report.ts';
import { startWatchdog } from './watchdog.ts';

export async function runOperation(
  order: OperationOrder,
  handlers: Readonly<Record<string, WorkerHandler>>,
  options: WorkerOptions,
): Promise<never> {
  const layout = layoutAt(order.directory, order.id);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  let mode: StopMode | undefined;
  process.on('message', (message: StopMessage) => {
    mode = message.stop;
    stop.abort(stopReason(mode));
  });
  // The parent is gone; its watchers and its lease with it.
  process.on('disconnect', () => process.exit(1));

  const failed = (error: unknown): void => {
    const stopped = isReaderGone(error) || (mode !== undefined && isStop(error));
    console.error(error);
    const state = stopped ? stateAfter[mode ?? 'cancel'] : 'FAILED';
    const told = stopped && !(error instanceof EmlocError) ? stopReason(mode ?? 'cancel') : error;
    try {
      writeError(layout, { state, error: errorToJson(told), peakRssBytes: peakRssBytes() });
    } catch (second) {
      console.error(second);
      process.exit(EmlocError.from(second).reason === 'DISK_FULL' ? diskFullExitCode : 1);
    }
  };
  const crashed = (error: unknown): void => {
    failed(error);
    process.exit(1);
  };
  process.on('uncaughtException', crashed).on('unhandledRejection', crashed);

  let output: FrameWriter | undefined;
  try {
    await startWatchdog(order.parentPid, order.leasePath);
    const { request, traceparent: first } = readRequest(layout);
    // Of the attempt, where its owner gave it one.
    const traceparent = process.env['TRACEPARENT'] || first;
    mkdirSync(layout.checkpoint, { recursive: true });
    mkdirSync(layout.output, { recursive: true });
    const context: WorkerContext = {
      id: order.id,
      kind: order.kind,
      attempt: order.attempt,
      mode: 'operation',
      directory: layout.directory,
      checkpointDir: layout.checkpoint,
      outputDir: layout.output,
      signal: stop.signal,
      traceparent,
      input: { [Symbol.asyncIterator]: () => abortableItems(inputOfOperation(), stop.signal) },
      output: {
        write: (frame) => abortable((output ??= openOutput()).write(FrameType.data, frame), stop.signal),
      },
      emit: (event) => appendEvent(layout, { attempt: order.attempt, event }),
      checkpointed: () => clearDeaths(layout),
      log: (line) => console.error(line),
      yield: () => letIn(stop.signal),
    };
    const work = async (): Promise<unknown> => handlerOf(handlers, order.kind)(request, context);
    const run = {
      id: order.id,
      kind: order.kind,
      attempt: order.attempt,
      mode: 'operation' as const,
      traceparent,
      report,
    };
    const result = await (options.around === undefined ? work() : options.around(run, work));
    await output?.end();
    writeResult(layout, result, peakRssBytes());
  } catch (error) {
    failed(error);
  }
  await reported();
  process.exit(0);
}

export function handlerOf(handlers: Readonly<Record<string, WorkerHandler>>, kind: string): WorkerHandler {
  const handler = Object.hasOwn(handlers, kind) ? handlers[kind] : undefined;
  if (handler !== undefined) return handler;
  const known = Object.keys(handlers).join(', ');
  throw new EmlocError(
    'INTERNAL',
    'KIND_UNKNOWN',
    `this worker does not know the kind ${kind}; it knows ${known}`,
  );
}

/** The stop itself coming back out of the work, or what Node's own functions make of an aborted signal. */
const isStop = (error: unknown): boolean =>
  (error instanceof EmlocError && error.code === 'CANCELLED') ||
  (error instanceof Error && error.name === 'AbortError');

/** Whoever had the output has left; the word to stop may still be under way. */
const isReaderGone = (error: unknown): boolean =>
  error instanceof EmlocError && error.reason === 'READER_GONE';

const peakRssBytes = (): number => memoryOf('self')?.peakRssBytes ?? process.resourceUsage().maxRSS * 1024;
