/**
 * How fast frames pass from an operation's process to its service, and what a small call costs:
 * `node --import tsx libs/operations/bench/frames.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperationManager, WarmWorker } from '../src/index.ts';

const worker = new URL('../src/testing/worker.ts', import.meta.url);
const stateDir = mkdtempSync(join(tmpdir(), 'emloc-bench-'));
const manager = new OperationManager({ stateDir, kinds: { produce: { worker } } });

const frames = 1024;
const bytes = 2 ** 20;
const run = await manager.attach({ kind: 'produce', request: { frames, bytes } });
let firstMs: number | undefined;
const cpu = process.cpuUsage();
for await (const _ of run.output) firstMs ??= performance.now();
const seconds = (performance.now() - (firstMs ?? 0)) / 1000;
const used = process.cpuUsage(cpu);
const { usage } = await run.done;
console.log(
  `frames of 1 MiB: ${Math.round((frames * bytes) / 1e6 / seconds)} MB/s, service ${(used.user + used.system) / 1e6} CPU-s`,
);
console.log(`the process held ${Math.round((usage?.peakRssAnonBytes ?? 0) / 1e6)} MB at most`);
await manager.close();

const warm = new WarmWorker({ worker });
let startedMs = performance.now();
await warm.call({ kind: 'pid', request: {} }).result;
console.log(`first call of a warm worker: ${Math.round(performance.now() - startedMs)} ms`);
startedMs = performance.now();
for (let i = 0; i < 500; i += 1) await warm.call({ kind: 'pid', request: {} }).result;
console.log(`each further one: ${((performance.now() - startedMs) / 500).toFixed(2)} ms`);
await warm.close();
rmSync(stateDir, { recursive: true });
