import { existsSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { withFileLock } from './file-lock.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

test('work under one lock never overlaps, and the lock is gone after it', async () => {
  const path = join(temporaryDirectory(), 'a.lock');
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside--;
  };
  await Promise.all([withFileLock(path, work), withFileLock(path, work), withFileLock(path, work)]);
  expect(most).toBe(1);
  expect(existsSync(path)).toBe(false);
});

test('the lock of a process that died is taken over', async () => {
  const path = join(temporaryDirectory(), 'a.lock');
  const dead = spawnSync(process.execPath, ['-e', 'console.log(process.pid)']);
  const pid = Number(dead.stdout.toString());
  writeFileSync(path, JSON.stringify({ pid, host: hostname(), started: '1', token: 'x' }));
  expect(await withFileLock(path, async () => 'done')).toBe('done');
});

test('a process id that was given to another process does not hold a lock', async () => {
  const path = join(temporaryDirectory(), 'a.lock');
  writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname(), started: '1', token: 'x' }));
  if (process.platform === 'linux') expect(await withFileLock(path, async () => 'done')).toBe('done');
});

test('a wait ends with the signal, and with the time allowed', async () => {
  const path = join(temporaryDirectory(), 'a.lock');
  await withFileLock(path, async () => {
    await expect(withFileLock(path, async () => 1, { timeoutMs: 300 })).rejects.toMatchObject({
      reason: 'LOCK_TIMEOUT',
    });
    const signal = AbortSignal.timeout(50);
    await expect(withFileLock(path, async () => 1, { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

test('work that throws frees the lock', async () => {
  const path = join(temporaryDirectory(), 'a.lock');
  await expect(withFileLock(path, async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(path)).toBe(false);
});
