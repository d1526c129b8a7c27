/**
 * Room on the disk for the end of an operation: held while its process works, given up when that has ended, so that
 * what a full disk did to it can still be written down.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import type { Layout } from './layout.ts';

/** The end is some files of less than a block each, and a line in the events. Random: no file system can thin it. */
const reserveBytes = 64 * 1024;

/** False where the disk has no room for it. */
export function holdReserve(layout: Layout): boolean {
  try {
    writeFileSync(layout.reserve, randomBytes(reserveBytes));
    return true;
  } catch (error) {
    freeReserve(layout);
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

export const freeReserve = (layout: Layout): void => rmSync(layout.reserve, { force: true });
