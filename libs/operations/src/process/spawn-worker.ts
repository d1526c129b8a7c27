/**
 * Starts a worker file in a process of its own: own process group (a Ctrl-C of the terminal reaches the parent only),
 * IPC for cancel, two pipes for frames, its output in a log file.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { programArguments } from '@emloc/launch';
import { reportGraceMs } from '../limits.ts';
import { orderVariable, type Order } from '../worker/order.ts';
import { isReport } from '../worker/report.ts';

export interface WorkerProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Frames to the process and from it. */
  readonly input: Duplex;
  readonly output: Duplex;
  readonly ended: Promise<Exit>;
  /** To the whole process group; does nothing where it has ended. */
  kill(signal: NodeJS.Signals): void;
  send(message: object): void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It could not even be started. */
  readonly error?: Error;
}

export interface SpawnOptions {
  readonly worker: URL | string;
  readonly order: Order;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The descriptor that gets what it prints. */
  readonly log: number;
  /** Hears what the process reports. */
  readonly report?: ((what: object) => void) | undefined;
}

/**
 * MiB of V8's young generation (the default is 16, thrice): a worker's data lies in TensorFlow, and what it makes in
 * JavaScript dies young. Measured: docs/decisions/0104-onednn-and-its-allocator.md.
 */
const YOUNG_GENERATION = '--max-semi-space-size=4';

export function spawnWorker(options: SpawnOptions): WorkerProcess {
  const child = spawn(process.execPath, programArguments(options.worker, [YOUNG_GENERATION]), {
    detached: true,
    stdio: ['ignore', options.log, options.log, 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, ...options.env, [orderVariable]: JSON.stringify(options.order) },
    serialization: 'json',
  });
  const ended = new Promise<Exit>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error }));
    child.once('exit', (code, signal) => void channelClosed(child).then(() => resolve({ code, signal })));
  });
  child.on('message', (message) => {
    if (isReport(message)) options.report?.(message.report);
  });
  // None where the process could not be started.
  const [, , , input, output] = child.stdio ?? [];
  // A process that ends before it read or wrote all is seen by its exit, not by its pipes.
  for (const pipe of [input, output]) pipe?.on('error', () => {});
  let over = false;
  void ended.then(() => (over = true));
  return {
    child,
    pid: child.pid ?? 0,
    input: input as Duplex,
    output: output as Duplex,
    ended,
    kill: (signal) => {
      if (over || child.pid === undefined) return;
      try {
        process.kill(-child.pid, signal);
      } catch {
        // Ended by itself meanwhile.
      }
    },
    send: (message) => {
      if (!over && child.connected) child.send(message, () => {});
    },
  };
}

/** What a process said before it ended may come after its end is known. */
async function channelClosed(child: ChildProcess): Promise<void> {
  if (!child.connected) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, reportGraceMs);
    child.once('disconnect', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
