import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPip } from '@emloc/downloads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { choosePackage, cudaRequirements, ensureRuntime, type RuntimeProgress } from './fetch.ts';
import { cudaLibraries, findRuntime } from './locate.ts';
import { compareVersions, FRAMEWORK_FILE, LIBRARY_FILE, TENSORFLOW_VERSION } from './platform.ts';
import { describe as describeProgress } from './report-progress.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'emloc-runtime-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** An empty cache, and a pip that finds only what a test puts into a directory. */
const environment = (extra: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  EMLOC_TENSORFLOW_DIR: '',
  EMLOC_CACHE: join(directory, 'cache'),
  CUDA_VISIBLE_DEVICES: '',
  PIP_NO_INDEX: '1',
  PIP_FIND_LINKS: join(directory, 'wheels'),
  PIP_CONFIG_FILE: '/dev/null',
  ...extra,
});

/** An installed package as pip leaves it, with libraries that cannot be loaded. */
function installPackage(site: string, version: string): void {
  mkdirSync(join(site, 'tensorflow'), { recursive: true });
  mkdirSync(join(site, `tensorflow_cpu-${version}.dist-info`));
  for (const file of [FRAMEWORK_FILE, LIBRARY_FILE]) writeFileSync(join(site, 'tensorflow', file), 'elf');
}

const pip = await findPip().catch(() => undefined);
const installed = findRuntime({ ...process.env, EMLOC_TENSORFLOW_DIR: '', EMLOC_CACHE: '/nowhere' });

/** A wheel of the right name whose libraries are a few bytes, for the real pip to find. */
function makeWheel(contents: Record<string, string>): string {
  const wheels = join(directory, 'wheels');
  mkdirSync(wheels, { recursive: true });
  const { name, version } = choosePackage(environment());
  const files: Record<string, string> = {
    [`${name.replace('-', '_')}-${version}.dist-info/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    [`${name.replace('-', '_')}-${version}.dist-info/WHEEL`]:
      'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${name.replace('-', '_')}-${version}.dist-info/RECORD`]: '',
    ...contents,
  };
  const wheel = join(wheels, `${name.replace('-', '_')}-${version}-py3-none-any.whl`);
  const script =
    'import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],"w")\n[z.writestr(n,t) for n,t in json.load(sys.stdin).items()]\nz.close()';
  const made = spawnSync(pip!.command, ['-c', script, wheel], {
    input: JSON.stringify(files),
  });
  expect(made.status).toBe(0);
  return wheel;
}

const libraries = {
  [`tensorflow/${LIBRARY_FILE}`]: 'library',
  [`tensorflow/${FRAMEWORK_FILE}`]: 'framework',
};

describe('finding', () => {
  test('the directory that the user names comes first, and must hold both libraries', () => {
    installPackage(directory, '2.20.0');
    const env = environment({ EMLOC_TENSORFLOW_DIR: directory });
    expect(findRuntime(env)).toMatchObject({
      origin: 'EMLOC_TENSORFLOW_DIR',
      library: join(directory, 'tensorflow', LIBRARY_FILE),
    });
    rmSync(join(directory, 'tensorflow', FRAMEWORK_FILE));
    expect(() => findRuntime(env)).toThrow(
      expect.objectContaining({
        reason: 'RUNTIME_NOT_FOUND',
        field: 'EMLOC_TENSORFLOW_DIR',
        value: directory,
      }),
    );
  });

  test.skipIf(pip === undefined)('an installed package is found through Python, unless it is too old', () => {
    installPackage(directory, '2.17.1');
    const env = environment({ PYTHONPATH: directory });
    expect(findRuntime(env)).toMatchObject({ origin: 'python', version: '2.17.1' });
    // The answer is kept, and what is installed later is seen all the same.
    expect(findRuntime({ ...env, EMLOC_PYTHON: '' })?.version).toBe('2.17.1');
    rmSync(join(directory, 'tensorflow'), { recursive: true });
    expect(findRuntime(env)?.version).not.toBe('2.17.1');
    rmSync(join(directory, 'tensorflow_cpu-2.17.1.dist-info'), { recursive: true });
    installPackage(directory, '2.15.0');
    expect(findRuntime(env)?.version).not.toBe('2.15.0');
  });

  test('the libraries of CUDA are loaded in the order of their need', () => {
    for (const [part, file] of [
      ['cublas', 'libcublas.so.12'],
      ['cublas', 'libcublasLt.so.12'],
      ['cuda_runtime', 'libcudart.so.12'],
      ['cudnn', 'libcudnn.so.9'],
      ['cudnn', 'readme.txt'],
    ] as const) {
      mkdirSync(join(directory, 'nvidia', part, 'lib'), { recursive: true });
      writeFileSync(join(directory, 'nvidia', part, 'lib', file), '');
    }
    expect(cudaLibraries(directory).map((path) => path.split('/').at(-1))).toEqual([
      'libcudart.so.12',
      'libcublasLt.so.12',
      'libcublas.so.12',
      'libcudnn.so.9',
    ]);
    expect(cudaLibraries(join(directory, 'nvidia'))).toEqual([]);
  });
});

// Where this machine's Python has TensorFlow installed, nothing is fetched.
describe.skipIf(pip === undefined || installed !== undefined)(
  'fetching with pip',
  { timeout: 180_000 },
  () => {
    test('takes the two libraries into the cache, once, and leaves nothing else', async () => {
      makeWheel({ ...libraries, 'tensorflow/python/big.so': 'not wanted' });
      const env = environment();
      const seen: RuntimeProgress[] = [];
      const [a, b] = await Promise.all([
        ensureRuntime({ env, onProgress: (p) => seen.push(p) }),
        ensureRuntime({ env, onProgress: (p) => seen.push(p) }),
      ]);
      expect([a.origin, b.origin].sort()).toEqual(['cache', 'download']);
      expect(a.library).toBe(b.library);
      expect(readFileSync(a.library, 'utf8')).toBe('library');
      expect(seen.map((p) => p.phase)).toEqual(
        expect.arrayContaining(['waiting', 'downloading', 'unpacking']),
      );
      const left = readdirSync(join(directory, 'cache', 'tensorflow'));
      expect(left.filter((name) => !name.endsWith('.lock'))).toHaveLength(1);
      expect(existsSync(join(a.directory, 'python'))).toBe(false);
      expect(await ensureRuntime({ env })).toMatchObject({ origin: 'cache', version: TENSORFLOW_VERSION });
      // A half-deleted cache is noticed and fetched anew.
      truncateSync(a.library, 3);
      expect(findRuntime(env)).toBeUndefined();
      expect((await ensureRuntime({ env })).origin).toBe('download');
    });

    test('a package without the libraries, and a damaged one, are told and leave nothing', async () => {
      const wheel = makeWheel({ 'tensorflow/other.so': 'x' });
      const env = environment();
      await expect(ensureRuntime({ env })).rejects.toMatchObject({ reason: 'PACKAGE_INCOMPLETE' });
      const whole = readFileSync(wheel);
      writeFileSync(wheel, whole.subarray(0, whole.length - 30));
      await expect(ensureRuntime({ env })).rejects.toMatchObject({
        reason: expect.stringMatching(/WHEEL_DAMAGED|DOWNLOAD_FAILED/),
      });
      expect(
        readdirSync(join(directory, 'cache', 'tensorflow')).some((name) => name.startsWith('.fetching')),
      ).toBe(false);
    });

    test('a package that pip does not find, and no pip at all, are told with a mend', async () => {
      mkdirSync(join(directory, 'wheels'));
      await expect(ensureRuntime({ env: environment() })).rejects.toMatchObject({
        code: 'NOT_FOUND',
        reason: 'PACKAGE_NOT_FOUND',
        mend: expect.stringContaining('EMLOC_TENSORFLOW_DIR'),
      });
      await expect(ensureRuntime({ env: environment({ EMLOC_PYTHON: '/no/python' }) })).rejects.toMatchObject(
        {
          code: 'FAILED_PRECONDITION',
          reason: 'PIP_MISSING',
        },
      );
    });

    test('no network is told as such', async () => {
      // A port of this machine where nobody listens.
      const env = environment({
        PIP_NO_INDEX: '',
        PIP_FIND_LINKS: '',
        PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
        PIP_RETRIES: '1',
        PIP_TIMEOUT: '2',
      });
      await expect(ensureRuntime({ env })).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        reason: 'DOWNLOAD_FAILED',
      });
    });

    test('a cache that cannot be made is told by its setting', async () => {
      writeFileSync(join(directory, 'file'), '');
      await expect(
        ensureRuntime({ env: environment({ EMLOC_CACHE: join(directory, 'file', 'cache') }) }),
      ).rejects.toMatchObject({
        field: 'EMLOC_CACHE',
      });
    });
  },
);

test("the packages of CUDA are read from TensorFlow's metadata", () => {
  const metadata = [
    'Requires-Dist: absl-py>=1.0.0',
    'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
    "Requires-Dist: nvidia-cudnn-cu12 (<10.0,>=9.3.0.75) ; extra == 'and-cuda'",
  ].join('\n');
  expect(cudaRequirements(metadata)).toEqual([
    'nvidia-cublas-cu12<13.0,>=12.5.3.2',
    'nvidia-cudnn-cu12<10.0,>=9.3.0.75',
  ]);
});

test('our line of progress', () => {
  const progress = { phase: 'downloading', package: 'x==1', doneBytes: 137e6, totalBytes: 274e6 } as const;
  expect(describeProgress(progress)).toBe('emloc: fetching x==1 137 MB of 274 MB (50 %)');
  expect(describeProgress({ ...progress, phase: 'waiting' })).toContain('another process');
});

test('versions compare as numbers', () => {
  expect(compareVersions('2.9.1', '2.16.0')).toBeLessThan(0);
  expect(compareVersions('2.21', '2.21.0')).toBe(0);
  expect(compareVersions('10.0', '9.9')).toBeGreaterThan(0);
});
