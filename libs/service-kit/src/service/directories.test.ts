import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkDirectories, prepareDirectories } from './directories.ts';

function home(): string {
  const path = mkdtempSync(join(tmpdir(), 'emloc-directories-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('directories that are missing are made, and one that goes away is noticed', async () => {
  const path = home();
  const config = { stateDir: join(path, 'a', 'state'), storeDir: join(path, 'store') };
  await prepareDirectories(config);
  expect(statSync(config.stateDir).isDirectory()).toBe(true);
  rmSync(config.storeDir, { recursive: true });
  await expect(checkDirectories(config)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'DIRECTORY_NOT_WRITABLE',
    field: 'EMLOC_STORE_DIR',
    value: config.storeDir,
  });
});

test('a directory that cannot be made is refused by the name of its variable', async () => {
  const path = home();
  writeFileSync(join(path, 'file'), '');
  const config = { stateDir: join(path, 'file', 'state'), storeDir: join(path, 'store') };
  const refused = prepareDirectories(config);
  await expect(refused).rejects.toMatchObject({ field: 'EMLOC_STATE_DIR', value: config.stateDir });
  await expect(refused).rejects.toThrow(/ENOTDIR/);
});
