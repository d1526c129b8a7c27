/** The worker of this package's tests: each kind does one thing that an operation may do. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { EmlocError } from '@emloc/errors';
import type { WorkerHandler } from '../worker/context.ts';
import { runWorker } from '../worker/run-worker.ts';

/** As a native call does: nothing of JavaScript runs in this thread meanwhile. */
const block = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

const readStep = (path: string): number => {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
};

const handlers: Readonly<Record<string, WorkerHandler>> = {
  add: ({ a, b }: { a: number; b: number }, ctx) => {
    ctx.emit({ stage: 'adding' });
    return { sum: a + b, traceparent: ctx.traceparent, env: process.env['TRACEPARENT'] };
  },
  /** Steps with a checkpoint after each; goes on from it. */
  steps: async ({ count, stepMs }: { count: number; stepMs: number }, ctx) => {
    const file = join(ctx.checkpointDir, 'step');
    const first = readStep(file) + 1;
    for (let step = first; step <= count; step += 1) {
      await ctx.yield();
      block(stepMs);
      writeFileSync(file, String(step));
      ctx.checkpointed();
      ctx.emit({ step });
    }
    return { first, attempt: ctx.attempt };
  },
  /** Never looks at its signal. */
  deaf: ({ ms }: { ms: number }, ctx) => {
    ctx.emit({ pid: process.pid });
    block(ms);
    return {};
  },
  fail: () => {
    throw new EmlocError('INVALID_ARGUMENT', 'LOSS_NOT_FINITE', 'the loss is NaN', {
      field: 'learning_rate',
      value: '10',
      mend: 'choose a smaller one',
      metadata: { step: '7' },
    });
  },
  die: ({ signal }: { signal: NodeJS.Signals }) => {
    process.kill(process.pid, signal);
    block(5000);
  },
  /** Killed after each step, whose checkpoint it keeps. */
  mortal: async ({ count }: { count: number }, ctx) => {
    const file = join(ctx.checkpointDir, 'step');
    const step = readStep(file) + 1;
    if (step > count) return { attempt: ctx.attempt };
    writeFileSync(file, String(step));
    ctx.checkpointed();
    process.kill(process.pid, 'SIGKILL');
    block(5000);
    return {};
  },
  /** Writes a checkpoint until the disk is full. */
  fill: async ({ bytes }: { bytes: number }, ctx) => {
    for (let file = 0; ; file += 1) {
      await ctx.yield();
      writeFileSync(join(ctx.checkpointDir, `part-${file}`), Buffer.alloc(bytes, 1));
    }
  },
  exit: () => {
    console.error('last words');
    process.exit(3);
  },
  allocate: async ({ bytes }: { bytes: number }, ctx) => {
    const held = Buffer.alloc(bytes, 1);
    // Long enough to be looked at on a machine that is late.
    await wait(3000);
    await ctx.yield();
    return { length: held.length };
  },
  /** Writes frames as fast as they are taken. */
  produce: async ({ frames, bytes }: { frames: number; bytes: number }, ctx) => {
    const frame = Buffer.alloc(bytes);
    for (let i = 0; i < frames; i += 1) {
      frame.writeUInt32LE(i, 0);
      await ctx.output.write(frame);
      if (i % 10 === 0) await ctx.yield();
    }
    return { frames };
  },
  echo: async (_: unknown, ctx) => {
    let bytes = 0;
    for await (const frame of ctx.input) {
      bytes += frame.length;
      await ctx.output.write(frame);
    }
    return { bytes, pid: process.pid };
  },
  /** Counts what it reads, slowly. */
  consume: async ({ delayMs }: { delayMs: number }, ctx) => {
    let frames = 0;
    for await (const _ of ctx.input) {
      frames += 1;
      await wait(delayMs, undefined, { signal: ctx.signal });
    }
    return { frames };
  },
  pid: () => process.pid,
  sleep: async ({ ms }: { ms: number }, ctx) => {
    await wait(ms, undefined, { signal: ctx.signal });
    return 'slept';
  },
};

await runWorker(handlers, {
  around: (run, work) => {
    run.report({ begun: run.kind });
    return work();
  },
});
