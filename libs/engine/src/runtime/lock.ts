/** A lock between processes, on a file. The system frees it when its holder ends, however it ends. */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { libc } from '../binding/libc.ts';

const EXCLUSIVE = 2;
const NO_WAIT = 4;
const POLL_MS = 250;

/** Runs `work` while no other process holds the lock; `onWait` is told once if another one does now. */
export async function withFileLock<T>(path: string, work: () => Promise<T>, onWait?: () => void): Promise<T> {
  const fd = openSync(path, 'a');
  try {
    let told = false;
    while (libc.flock(fd, EXCLUSIVE | NO_WAIT) !== 0) {
      if (!told) onWait?.();
      told = true;
      await sleep(POLL_MS);
    }
    return await work();
  } finally {
    closeSync(fd);
  }
}
