import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockDirectory } from './lock-directory.ts';

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'emloc-lock-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('a directory has one owner at a time', () => {
  const place = directory();
  const unlock = lockDirectory(place);
  writeFileSync(join(place, 'lock'), `${process.ppid} `);
  expect(() => lockDirectory(place)).toThrow(expect.objectContaining({ reason: 'COORDINATOR_RUNNING' }));
  unlock();
  lockDirectory(place)();
});

test.each(['999999999 1', `${process.pid} another start`, 'nonsense'])(
  'the lock of a process that is gone (%s) does not stand in the way',
  (owner) => {
    const place = directory();
    writeFileSync(join(place, 'lock'), owner);
    lockDirectory(place)();
  },
);
