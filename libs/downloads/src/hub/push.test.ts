import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HubServer } from '../testing/index.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import {
  fetchFiles,
  hubSettings,
  openRevision,
  pushFiles,
  type HubSettings,
  type PushOptions,
} from './index.ts';

const weights = randomBytes(100_000);

let hub: HubServer;
let settings: HubSettings;
let file: string;

beforeEach(async () => {
  hub = await HubServer.start();
  hub.token = 'not-hf-shaped';
  hub.writable = ['me'];
  settings = hubSettings({ HF_ENDPOINT: hub.endpoint, HF_HOME: temporaryDirectory(), HF_TOKEN: hub.token });
  file = join(temporaryDirectory(), 'adapter_model.safetensors');
  writeFileSync(file, weights);
});
afterEach(() => hub.stop());

const push = (repo = 'me/adapter', more: Partial<PushOptions> = {}) =>
  pushFiles(
    repo,
    [
      { path: 'adapter_model.safetensors', content: { file, bytes: weights.length } },
      { path: 'README.md', content: { text: '# card' } },
    ],
    { settings, title: 'an adapter', ...more },
  );

test('a repository is made, large files go by way of LFS, and what was pushed can be pulled', async () => {
  const progress: number[] = [];
  const pushed = await push('me/adapter', { private: true, onProgress: (done) => void progress.push(done) });
  expect(pushed).toEqual({
    url: `${hub.endpoint}/me/adapter`,
    commit: hub.repositories.get('me/adapter')!.commitOf('main'),
    created: true,
  });
  expect(hub.titles).toEqual(['an adapter']);
  expect(hub.repositories.get('me/adapter')!.private).toBe(true);
  expect(hub.requests(/upload\//).filter(({ method }) => method === 'PUT')).toHaveLength(1);
  expect(progress.at(-1)).toBeGreaterThanOrEqual(weights.length);
  const revision = await openRevision({ repo: 'me/adapter', revision: 'main' }, { settings });
  const directory = await fetchFiles(revision, ['adapter_model.safetensors', 'README.md'], { settings });
  expect(readFileSync(join(directory, 'adapter_model.safetensors')).equals(weights)).toBe(true);
});

test('a repository that is there gets one commit more, and a content that it has is not sent again', async () => {
  await push();
  hub.seen.length = 0;
  expect(await push()).toMatchObject({ created: false });
  expect(hub.seen.filter(({ method }) => method === 'PUT')).toEqual([]);
});

test('the token goes to the hub only', async () => {
  await push();
  expect(hub.requests(/^\/upload/).map(({ authorization }) => authorization)).toEqual([undefined]);
});

test('what a push lacks is named: a token, the right to write, the network', async () => {
  await expect(push('others/adapter')).rejects.toMatchObject({
    reason: 'NO_ACCESS',
    mend: expect.stringContaining('HF_TOKEN'),
  });
  settings = { ...settings, token: 'wrong' };
  await expect(push()).rejects.toMatchObject({ reason: 'BAD_TOKEN', field: 'HF_TOKEN' });
  settings = { ...settings, token: undefined };
  await expect(push()).rejects.toMatchObject({ reason: 'NO_TOKEN', field: 'HF_TOKEN' });
  settings = { ...settings, offline: true };
  await expect(push()).rejects.toMatchObject({ reason: 'HUB_OFFLINE' });
  expect(hub.repositories.size).toBe(0);
});
