/**
 * Independent work side by side. Most operations of a layer are too short for two threads to share: waking the other one
 * and fetching what lies in its cache costs as much as it saves. Streams share work out by micro-batches instead: each has
 * a thread of its own, on which its operations run one after the other, while JavaScript already asks for the next.
 *
 * An operation of a stream gives a tensor that is still to be computed. Operations take it at once; reading its elements
 * waits, and so does its shape, unless it can be foreseen (ops/shapes.ts). An operation's own error comes to light when
 * the streams are waited for.
 */
import { native, type Native } from './binding/context.ts';
import type { Address } from './binding/libc.ts';
import { failure } from './binding/status.ts';

/** The default: more than two were not measured. */
const MOST_STREAMS = 2;

let count = 1;
let executors: readonly Address[] = [];
let streaming = false;

/** How many pieces of work are computed side by side; 1: streams are not used. */
export const streamCount = (): number => count;

/** Are operations being given to streams? Then shapes are worth foreseeing. */
export const isStreaming = (): boolean => streaming;

/** EMLOC_STREAMS, or two where there are two threads. On a GPU operations are asynchronous anyway. */
export function chooseStreams(threads: number, gpu: boolean, told: number | undefined): number {
  return told ?? (gpu ? 1 : Math.min(threads, MOST_STREAMS));
}

export function setStreams(streams: number): void {
  count = streams;
}

/**
 * Maps `items`, item i on stream i modulo their number, and waits until everything is computed. The results are the same
 * bit by bit as one after the other: streams change when operations run, not what they compute. `make` must not wait for
 * anything but tensors. Inside itself it is a plain map.
 * Throws the first error of an operation, or what `make` throws; tensors made until then are their owners' to end.
 */
export function sideBySide<T, R>(items: readonly T[], make: (item: T, index: number) => R): R[] {
  if (streaming || count < 2 || items.length < 2) return items.map(make);
  const n = native();
  const before = n.lib.executor(n.context);
  if (executors.length === 0)
    executors = Array.from({ length: count }, () => n.lib.newExecutor(true, true, 0));
  streaming = true;
  try {
    return items.map((item, index) => {
      n.lib.setExecutor(n.context, executors[index % executors.length]!);
      return make(item, index);
    });
  } finally {
    streaming = false;
    n.lib.setExecutor(n.context, before);
    const failed = awaitAll(n);
    // Before what `make` may have thrown: who takes a tensor of what has failed fails, too.
    if (failed !== undefined) throw failed;
  }
}

/** The first error. All are waited for, also where one fails: what comes next must find nothing pending. */
function awaitAll(n: Native): Error | undefined {
  let first: Error | undefined;
  for (const executor of executors) {
    n.lib.awaitExecutor(executor, n.status);
    if (n.lib.statusCode(n.status) === 0) continue;
    first ??= failure(n, 'an operation');
    n.lib.clearExecutor(executor);
  }
  return first;
}
