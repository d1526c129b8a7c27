import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DownloadProgress } from '../progress.ts';
import { HubServer } from '../testing/index.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import {
  cachedSnapshot,
  fetchFiles,
  hubSettings,
  openRevision,
  rememberRevision,
  type HubSettings,
} from './index.ts';

const reference = { repo: 'org/tiny', revision: 'main' };
const weights = randomBytes(200_000);
const paths = ['config.json', 'model.safetensors'];

let hub: HubServer;
let settings: HubSettings;

beforeEach(async () => {
  hub = await HubServer.start();
  hub.add('org/tiny', {
    'config.json': '{"model_type": "llama"}',
    'README.md': '# tiny',
    'tokenizer.json': '{}',
    'model.safetensors': weights,
    'pytorch_model.bin': 'pickled',
  });
  settings = hubSettings({ HF_ENDPOINT: `${hub.endpoint}/`, HF_HOME: temporaryDirectory() });
});
afterEach(() => hub.stop());

async function fetched(
  wanted = paths,
  more: { onProgress?: (p: DownloadProgress) => void } = {},
): Promise<string> {
  const options = { settings, pauseMs: 1, ...more };
  const revision = await openRevision(reference, options);
  const directory = await fetchFiles(revision, wanted, options);
  await rememberRevision(revision, settings);
  return directory;
}

const partial = (): string => {
  const blobs = join(settings.cacheDir, 'models--org--tiny', 'blobs');
  return join(blobs, readdirSync(blobs).find((name) => name.endsWith('.emloc.incomplete')) ?? 'none');
};

test('files lie where Python looks for them: a blob by its etag, a link in the snapshot, a ref that names the commit', async () => {
  const directory = await fetched();
  const commit = hub.repositories.get('org/tiny')!.commitOf('main')!;
  const folder = join(settings.cacheDir, 'models--org--tiny');
  expect(directory).toBe(join(folder, 'snapshots', commit));
  expect(readFileSync(join(folder, 'refs/main'), 'utf8')).toBe(commit);
  expect(readdirSync(directory).sort()).toEqual(paths);
  const { oid, sha256 } = hub.repositories.get('org/tiny')!.files('main')!.get('model.safetensors')!;
  expect(sha256).not.toBe(oid);
  expect(readlinkSync(join(directory, 'model.safetensors'))).toBe(`../../blobs/${sha256}`);
  expect(lstatSync(join(directory, 'config.json')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(directory, 'model.safetensors')).equals(weights)).toBe(true);
  expect(await cachedSnapshot(reference, settings.cacheDir)).toBe(directory);
});

test('the tree is read over all its pages, and only what is wanted is fetched', async () => {
  const revision = await openRevision(reference, { settings });
  expect(revision.files.map(({ path }) => path)).toHaveLength(5);
  await fetched();
  expect(hub.requests(/resolve/).map(({ url }) => url.split('/').at(-1))).toEqual(paths);
});

test('what is there is not fetched again', async () => {
  await fetched();
  const before = hub.requests(/resolve|content/).length;
  await fetched();
  expect(hub.requests(/resolve|content/)).toHaveLength(before);
});

test('a new commit shares the blobs that did not change', async () => {
  const first = await fetched();
  hub.commit(hub.repositories.get('org/tiny')!, { 'config.json': '{"model_type": "qwen2"}' });
  const second = await fetched();
  expect(second).not.toBe(first);
  expect(hub.requests(/content/)).toHaveLength(1);
  expect(realpathSync(join(second, 'model.safetensors'))).toBe(
    realpathSync(join(first, 'model.safetensors')),
  );
});

test('a connection that breaks is taken up where it broke', async () => {
  hub.breakAfter = { bytes: 70_000, times: 2 };
  const done: number[] = [];
  const directory = await fetched(paths, { onProgress: ({ doneBytes }) => void done.push(doneBytes) });
  expect(readFileSync(join(directory, 'model.safetensors')).equals(weights)).toBe(true);
  const ranges = hub.requests(/content/).map(({ range }) => range);
  expect(ranges).toHaveLength(3);
  expect(ranges[0]).toBeUndefined();
  for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=[1-9]\d*-$/);
  expect(done.at(-1)).toBe(weights.length + readFileSync(join(directory, 'config.json')).length);
  expect(existsSync(partial())).toBe(false);
});

test('a connection that breaks for good leaves a partial file, and the next run goes on from it', async () => {
  hub.breakAfter = { bytes: 0, times: 100 };
  await expect(fetched()).rejects.toMatchObject({
    reason: 'DOWNLOAD_BROKEN',
    mend: expect.stringContaining('again'),
  });
  hub.breakAfter = { bytes: 70_000, times: 1 };
  hub.seen.length = 0;
  await fetched();
  expect(hub.requests(/content/)).toHaveLength(2);
});

test('an interrupted download keeps its partial file', async () => {
  hub.stall = true;
  const controller = new AbortController();
  const options = { settings, signal: controller.signal };
  const revision = await openRevision(reference, options);
  const onProgress = ({ doneBytes }: DownloadProgress): void => {
    if (doneBytes > 90_000) controller.abort();
  };
  await expect(fetchFiles(revision, paths, { ...options, onProgress })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
  const kept = statSync(partial()).size;
  expect(kept).toBeGreaterThan(0);
  hub.stall = false;
  hub.seen.length = 0;
  await fetched();
  expect(hub.requests(/content/).map(({ range }) => range)).toEqual([`bytes=${kept}-`]);
});

test('a server that sends no ranges is read from the start again', async () => {
  hub.breakAfter = { bytes: 70_000, times: 1 };
  hub.ignoreRanges = true;
  const directory = await fetched();
  expect(readFileSync(join(directory, 'model.safetensors')).equals(weights)).toBe(true);
});

test('a partial file with other bytes in it is thrown away, and the file fetched whole', async () => {
  const { sha256 } = hub.repositories.get('org/tiny')!.files('main')!.get('model.safetensors')!;
  const blobs = join(settings.cacheDir, 'models--org--tiny', 'blobs');
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(blobs, `${sha256}.emloc.incomplete`), randomBytes(50_000));
  const directory = await fetched();
  expect(readFileSync(join(directory, 'model.safetensors')).equals(weights)).toBe(true);
});

test.each(['model.safetensors', 'config.json'])(
  'content that does not match its digest is refused: %s',
  async (path) => {
    if (path === 'config.json') {
      const file = hub.repositories.get('org/tiny')!.files('main')!.get(path)!;
      file.content[2] = file.content[2]! ^ 1;
    } else hub.spoil = (content) => Buffer.concat([content.subarray(1), Buffer.from('x')]);
    await expect(fetched()).rejects.toMatchObject({
      code: 'DATA_LOSS',
      message: expect.stringContaining(path),
    });
    const folder = join(settings.cacheDir, 'models--org--tiny');
    expect(readdirSync(join(folder, 'blobs')).filter((name) => name.includes('incomplete'))).toEqual([]);
    const snapshot = await cachedSnapshot(reference, settings.cacheDir);
    expect(snapshot !== undefined && existsSync(join(snapshot, path))).toBe(false);
  },
);

test('a blob that was cut is fetched again', async () => {
  const directory = await fetched();
  truncateSync(realpathSync(join(directory, 'model.safetensors')), 10);
  await fetched();
  expect(statSync(join(directory, 'model.safetensors')).size).toBe(weights.length);
});

test('two at once fetch each file once', async () => {
  const [a, b] = await Promise.all([fetched(), fetched()]);
  expect(a).toBe(b);
  expect(hub.requests(/content/)).toHaveLength(1);
});

test('a hub that stumbles is asked again', async () => {
  hub.stumbles = 2;
  await fetched();
});

test('a hub that is not there: HF_ENDPOINT is named', async () => {
  settings = hubSettings({ HF_ENDPOINT: 'http://127.0.0.1:9', HF_HOME: temporaryDirectory() });
  await expect(fetched()).rejects.toMatchObject({ reason: 'HUB_UNREACHABLE', field: 'HF_ENDPOINT' });
});

test('the token is sent to the hub, not to the host that it redirects to', async () => {
  hub.token = 'secret';
  settings = { ...settings, token: 'secret' };
  await fetched();
  expect(hub.requests(/api|resolve/).every(({ authorization }) => authorization === 'Bearer secret')).toBe(
    true,
  );
  expect(hub.requests(/content/).map(({ authorization }) => authorization)).toEqual([undefined]);
});

test('a gated repository: the licence and HF_TOKEN are named', async () => {
  hub.repositories.get('org/tiny')!.gated = true;
  await expect(fetched()).rejects.toMatchObject({
    reason: 'GATED_REPOSITORY',
    message: expect.stringContaining('restricted'),
    mend: expect.stringMatching(/accept its licence at http.*org\/tiny.*HF_TOKEN/),
  });
  // Nor is a folder left that Python's tools would take for a broken cache.
  expect(existsSync(join(settings.cacheDir, 'models--org--tiny'))).toBe(false);
});

test('a token that is not taken, and a private repository without one', async () => {
  hub.token = 'secret';
  settings = { ...settings, token: 'wrong' };
  await expect(fetched()).rejects.toMatchObject({ reason: 'BAD_TOKEN', field: 'HF_TOKEN', value: undefined });
  hub.repositories.get('org/tiny')!.private = true;
  settings = { ...settings, token: undefined };
  await expect(fetched()).rejects.toMatchObject({
    reason: 'REPOSITORY_NOT_FOUND',
    mend: expect.stringContaining('HF_TOKEN'),
  });
});

test('what is not there is told with what is nearest', async () => {
  const open = (repo: string, revision = 'main') => openRevision({ repo, revision }, { settings });
  await expect(open('org/tinny')).rejects.toMatchObject({
    reason: 'REPOSITORY_NOT_FOUND',
    mend: expect.stringContaining('org/tiny'),
  });
  await expect(open('org/tiny', 'mian')).rejects.toMatchObject({
    reason: 'REVISION_NOT_FOUND',
    value: 'org/tiny@mian',
    mend: expect.stringContaining('main'),
  });
  await expect(fetched(['modle.json'])).rejects.toMatchObject({
    reason: 'FILE_NOT_FOUND',
    mend: expect.stringContaining('config.json'),
  });
});

test('settings are those of huggingface_hub', () => {
  const home = temporaryDirectory();
  writeFileSync(join(home, 'token'), 'from-file\n');
  expect(hubSettings({ HF_HOME: home })).toEqual({
    endpoint: 'https://huggingface.co',
    token: 'from-file',
    cacheDir: join(home, 'hub'),
    offline: false,
  });
  expect(
    hubSettings({ HF_HOME: home, HF_TOKEN: 'own', HF_HUB_CACHE: '/elsewhere', HF_HUB_OFFLINE: '1' }),
  ).toMatchObject({ token: 'own', cacheDir: '/elsewhere', offline: true });
});
