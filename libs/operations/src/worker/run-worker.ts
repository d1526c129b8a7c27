/** The entry of a `worker.ts`: the same file serves operations and small calls. */
import { runOperation } from './operation-mode.ts';
import { readOrder } from './order.ts';
import { runWarm } from './warm-mode.ts';
import type { WorkerHandler, WorkerOptions } from './context.ts';

/** Runs what the service ordered and ends the process. */
export async function runWorker(
  handlers: Readonly<Record<string, WorkerHandler>>,
  options: WorkerOptions = {},
): Promise<never> {
  const order = readOrder();
  return order.mode === 'warm' ? runWarm(order, handlers, options) : runOperation(order, handlers, options);
}
