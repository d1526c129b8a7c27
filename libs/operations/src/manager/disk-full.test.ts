import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { manager } from '../testing/setup.ts';

/** A disk of its own takes the right to mount one. */
const disk = mkdtempSync(join(tmpdir(), 'emloc-full-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (mounted) execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true, force: true });
});

test.skipIf(!mounted)(
  'an operation that fills the disk ends and says so; with room again it can be resumed',
  async () => {
    const operations = manager({ stateDir: disk });
    await operations.start({ id: 'a', kind: 'fill', request: { bytes: 100_000 } });
    const { state, error } = await operations.wait('a');
    expect(state).toBe('FAILED');
    expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'DISK_FULL' });

    const directory = join(disk, 'operations', 'a');
    expect(existsSync(join(directory, 'reserve'))).toBe(false);
    rmSync(join(directory, 'checkpoint', 'part-0'));
    await operations.resume('a');
    expect(await operations.wait('a')).toMatchObject({
      state: 'FAILED',
      attempt: 2,
      error: { reason: 'DISK_FULL' },
    });
  },
);
