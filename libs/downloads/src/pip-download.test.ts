import { chmodSync, existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cacheDirectory } from './cache-directory.ts';
import { pipDownload, sizeIn } from './pip-download.ts';
import { pipFailure } from './pip.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'emloc-pip-'));

/** A Python that behaves as its pip would in one situation: an index of our own, without a network. */
function python(script: string): string {
  const path = join(folder(), 'python');
  writeFileSync(path, `#!/bin/sh\n[ "$3" = --version ] && exit 0\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const fetches = `while [ "$1" != --dest ]; do shift; done
mkdir -p "$2"; echo "  Downloading a-1-py3-none-any.whl (1.5 kB)"; printf wheel > "$2/a-1-py3-none-any.whl"; echo once >> "$2/../../../count"`;

test('a wheel is fetched once and found in the cache after that', async () => {
  const cacheDir = folder();
  const env = { ...process.env, EMLOC_PYTHON: python(fetches) };
  const [first, second] = await Promise.all([
    pipDownload('a==1', { cacheDir, env }),
    pipDownload('a==1', { cacheDir, env }),
  ]);
  expect(existsSync(first)).toBe(true);
  expect(second).toBe(first);
  expect(readdirSync(join(cacheDir, 'wheels', 'a==1'))).toEqual(['a-1-py3-none-any.whl']);
});

test('nothing is left of a fetch that failed, and the reason is told', async () => {
  const cacheDir = folder();
  const env = {
    ...process.env,
    EMLOC_PYTHON: python('echo "ERROR: No matching distribution found for a==1" >&2; exit 1'),
  };
  await expect(pipDownload('a==1', { cacheDir, env })).rejects.toMatchObject({ reason: 'PACKAGE_NOT_FOUND' });
  expect(readdirSync(join(cacheDir, 'wheels', 'a==1'))).toEqual([]);
});

test('a Python without pip is named, with the way to mend it', async () => {
  const env = { ...process.env, EMLOC_PYTHON: '/nowhere/python' };
  await expect(pipDownload('a==1', { cacheDir: folder(), env })).rejects.toMatchObject({
    reason: 'PIP_NOT_FOUND',
    field: 'EMLOC_PYTHON',
  });
});

test('a cancelled fetch ends pip', async () => {
  const env = { ...process.env, EMLOC_PYTHON: python('exec sleep 60') };
  const signal = AbortSignal.timeout(200);
  await expect(pipDownload('a==1', { cacheDir: folder(), env, signal })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
});

test('pip without a network or a disk is told apart', () => {
  expect(pipFailure('a', 'NewConnectionError(...): Failed to establish a new connection').code).toBe(
    'UNAVAILABLE',
  );
  expect(pipFailure('a', '[Errno 28] No space left on device').reason).toBe('DISK_FULL');
});

test("sizes in pip's lines are decimal", () => {
  expect(sizeIn('  Downloading a-1-py3-none-any.whl (92.9 MB)')).toBe(92_900_000);
  expect(sizeIn('Saved ./a.whl')).toBeUndefined();
});

test('the cache lies where the user says', () => {
  expect(cacheDirectory({ EMLOC_CACHE: '/x' })).toBe('/x');
  expect(cacheDirectory({ XDG_CACHE_HOME: '/y' })).toBe('/y/emloc');
  expect(cacheDirectory({})).toMatch(/\.cache\/emloc$/);
});
