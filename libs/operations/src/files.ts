/**
 * Files written whole or not at all: a temporary name beside the target, fsync, rename. What is rewritten every few seconds
 * and worth nothing after a power cut (heartbeats) goes without the fsync, which may block for long on a busy disk.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';

export function writeAtomic(path: string, text: string, durable = true): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = openSync(temporary, 'wx', 0o644);
    try {
      writeSync(file, text);
      if (durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

export const writeJson = (path: string, value: unknown, durable = true): void =>
  writeAtomic(path, `${JSON.stringify(value)}\n`, durable);

/** undefined where there is no such file. */
export function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
