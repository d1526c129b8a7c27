/**
 * What memory this process holds, as the kernel counts it, and how to hand back what is free. `rssAnon` is private
 * memory: mapped weights and library pages, which the system may drop and read again, are not in it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { libc } from './binding/libc.ts';

export interface MemoryReading {
  /** Private pages in memory (Linux; elsewhere the same as rssBytes). */
  readonly rssAnonBytes: number;
  /** Pages of files in memory: mapped weights and libraries. */
  readonly rssFileBytes: number;
  readonly rssBytes: number;
  /** The highest rssBytes since the start, or since `resetPeak`. */
  readonly peakRssBytes: number;
}

export function readMemory(): MemoryReading {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const bytes = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
    return {
      rssAnonBytes: bytes('RssAnon'),
      rssFileBytes: bytes('RssFile'),
      rssBytes: bytes('VmRSS'),
      peakRssBytes: bytes('VmHWM'),
    };
  } catch {
    const rssBytes = process.memoryUsage.rss();
    return {
      rssAnonBytes: rssBytes,
      rssFileBytes: 0,
      rssBytes,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  }
}

/** Lets the peak count anew from here; false where the system does not allow it. */
export function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false;
  }
}

/**
 * Hands free memory of the C library back to the system. On x86-64 large tensors lie in oneDNN's allocator, which keeps
 * what they free until the process ends (docs/decisions/0104-onednn-and-its-allocator.md); the rest goes back.
 */
export function trimMemory(): void {
  libc.mallocTrim?.(0);
}

/** Milliseconds between two times that memory is settled: what it costs (measured: 1 ms a MB of live objects) stays near 1 %. */
const SETTLE_EVERY_MS = 4000;
let settledMs = 0;

/**
 * Collects garbage and hands back what is free, for long work to call often: it happens every few seconds. V8 lets
 * garbage grow while there is room, and the C library keeps the memory of what it held, so that both show in the peak.
 * Where little is held and much will be, it is worth doing more often than every four seconds.
 */
export function settleMemory(nowMs = performance.now(), everyMs = SETTLE_EVERY_MS): void {
  if (nowMs - settledMs < everyMs) return;
  settledMs = nowMs;
  collectGarbage ??= garbageCollector();
  collectGarbage();
  trimMemory();
}

let collectGarbage: (() => void) | undefined;

/** V8's own collector, which Node shows only where it is told to, and then in new contexts; nothing where there is none. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return (runInNewContext('globalThis.gc') as (() => void) | undefined) ?? (() => {});
}

const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;

/**
 * Settings for honest peaks: large blocks get mappings of their own, which go back the moment they are freed, and the
 * threads share a few heaps instead of one each. Called once, before TensorFlow allocates.
 */
export function settleAllocator(): void {
  libc.mallopt?.(M_MMAP_THRESHOLD, 4 * 2 ** 20);
  libc.mallopt?.(M_TRIM_THRESHOLD, 16 * 2 ** 20);
  libc.mallopt?.(M_ARENA_MAX, 4);
}
