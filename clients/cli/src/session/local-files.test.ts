import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LocalFiles } from './local-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'emloc-local-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const digest = `sha256:${'0'.repeat(64)}`;

test('a result is copied out of the store, for its user to write to', async () => {
  const uri = join(directory, 'stored');
  mkdirSync(uri);
  writeFileSync(join(uri, 'a'), 'abc', { mode: 0o444 });
  const to = join(directory, 'result');
  await new LocalFiles().fetch({ digest, uri, byteSize: 3 }, to);
  expect(readFileSync(join(to, 'a'), 'utf8')).toBe('abc');
  expect(statSync(join(to, 'a')).mode & 0o777).toBe(0o644);
});

test('a result of which the store was emptied is told as that, not as a path to be checked', async () => {
  const uri = join(directory, 'gone');
  const fetched = new LocalFiles().fetch({ digest, uri, byteSize: 3 }, join(directory, 'none'));
  await expect(fetched).rejects.toMatchObject({ reason: 'ARTIFACT_NOT_FOUND', value: digest });
});
