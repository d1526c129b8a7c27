import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cacheDirectory } from './cache-directory.ts';
import { assertFreeSpace, makeCacheDirectory } from './disk-space.ts';
import { pipDownload, sizeIn } from './pip-download.ts';
import { findPip, pipFailure } from './pip.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

/** A Python that behaves as its pip would in one situation: an index of our own, without a network. */
function python(script: string): string {
  const path = join(temporaryDirectory(), 'python');
  writeFileSync(
    path,
    `#!/bin/sh\n[ "$3" = --version ] && echo "pip 25.0 from somewhere" && exit 0\n${script}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

const fetches = `while [ "$1" != --dest ]; do shift; done
mkdir -p "$2"; echo "  Downloading a-1-py3-none-any.whl (1.5 kB)"; printf wheel > "$2/a-1-py3-none-any.whl"; echo once >> "$2/../../../count"`;

test('a wheel is fetched once and found in the cache after that', async () => {
  const cacheDir = temporaryDirectory();
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
  const cacheDir = temporaryDirectory();
  const env = {
    ...process.env,
    EMLOC_PYTHON: python('echo "ERROR: No matching distribution found for a==1" >&2; exit 1'),
  };
  await expect(pipDownload('a==1', { cacheDir, env })).rejects.toMatchObject({ reason: 'PACKAGE_NOT_FOUND' });
  expect(readdirSync(join(cacheDir, 'wheels', 'a==1'))).toEqual([]);
});

test("where there is no wheel for the user's Python, another one's is taken if it serves too", async () => {
  const picky = `case "$*" in *--abi=cp312*) ;; *) echo "ERROR: No matching distribution found for a==1" >&2; exit 1;; esac\n`;
  const env = { ...process.env, EMLOC_PYTHON: python(picky + fetches) };
  const fetch = (anyPython: boolean): Promise<string> =>
    pipDownload('a==1', { cacheDir: temporaryDirectory(), env, anyPython });
  await expect(fetch(false)).rejects.toMatchObject({ reason: 'PACKAGE_NOT_FOUND' });
  expect(existsSync(await fetch(true))).toBe(true);
});

test('what a fetch that was killed left behind is removed', async () => {
  const cacheDir = temporaryDirectory();
  mkdirSync(join(cacheDir, 'wheels', 'a==1', '.download-dead', 'tmp'), { recursive: true });
  await pipDownload('a==1', { cacheDir, env: { ...process.env, EMLOC_PYTHON: python(fetches) } });
  expect(readdirSync(join(cacheDir, 'wheels', 'a==1'))).toEqual(['a-1-py3-none-any.whl']);
});

test('the version of pip is told', async () => {
  const command = python('exit 1');
  expect(await findPip({ ...process.env, EMLOC_PYTHON: command })).toEqual({
    command,
    prefix: ['-m', 'pip'],
    version: '25.0',
  });
});

test('too little room and a cache that cannot be made are told by their setting', async () => {
  const directory = temporaryDirectory();
  await assertFreeSpace(directory, 1, 'fetching a');
  await expect(assertFreeSpace(directory, 1e18, 'fetching a')).rejects.toMatchObject({
    reason: 'DISK_FULL',
    field: 'EMLOC_CACHE',
    message: expect.stringContaining('fetching a needs'),
  });
  writeFileSync(join(directory, 'file'), '');
  await expect(makeCacheDirectory(join(directory, 'file', 'x'))).rejects.toMatchObject({
    field: 'EMLOC_CACHE',
  });
});

test('a Python without pip is named, with the way to mend it', async () => {
  const env = { ...process.env, EMLOC_PYTHON: '/nowhere/python' };
  await expect(pipDownload('a==1', { cacheDir: temporaryDirectory(), env })).rejects.toMatchObject({
    reason: 'PIP_NOT_FOUND',
    field: 'EMLOC_PYTHON',
  });
});

test('a cancelled fetch ends pip', async () => {
  const env = { ...process.env, EMLOC_PYTHON: python('exec sleep 60') };
  const signal = AbortSignal.timeout(200);
  await expect(pipDownload('a==1', { cacheDir: temporaryDirectory(), env, signal })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
});

test('pip without a network or a disk is told apart', () => {
  expect(pipFailure('a', 'NewConnectionError(...): Failed to establish a new connection').code).toBe(
    'UNAVAILABLE',
  );
  expect(pipFailure('a', '[Errno 28] No space left on device').reason).toBe('DISK_FULL');
});

test('an index that was not reached is not one without the package', () => {
  const said =
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'\nERROR: No matching distribution found for a";
  expect(pipFailure('a', said).reason).toBe('PACKAGE_INDEX_UNREACHABLE');
  expect(pipFailure('a', 'ERROR: no such option: --x\n\n').message).toContain('a: no such option: --x');
});

test("sizes in pip's lines are decimal", () => {
  expect(sizeIn('  Downloading a-1-py3-none-any.whl (92.9 MB)')).toBe(92_900_000);
  expect(sizeIn('Collecting x\n  Downloading x-1-cp311.whl (274.0 MB)\n')).toBe(274e6);
  expect(sizeIn('Collecting x')).toBeUndefined();
  expect(sizeIn('  Downloading x-1-cp311.whl.metadata (4.1 kB)')).toBeUndefined();
  expect(sizeIn('Saved ./a.whl')).toBeUndefined();
});

test('the cache lies where the user says', () => {
  expect(cacheDirectory({ EMLOC_CACHE: '/x' })).toBe('/x');
  expect(cacheDirectory({ XDG_CACHE_HOME: '/y' })).toBe('/y/emloc');
  expect(cacheDirectory({})).toMatch(/\.cache\/emloc$/);
});
