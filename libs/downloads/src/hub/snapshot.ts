/** A revision of a repository on the hub: what files it has, by the hub's client, and those wanted brought into the cache. */
import { EmlocError } from '@emloc/errors';
import { assertFreeSpace } from '../disk-space.ts';
import { withFileLock } from '../file-lock.ts';
import type { OnProgress } from '../progress.ts';
import { HubCache } from './cache.ts';
import { downloadFile, type HubFile } from './download-file.ts';
import { hubFetch } from './hub-fetch.ts';
import { withNearest } from './with-nearest.ts';
import type { HubReference } from './reference.ts';
import { referenceText } from './reference.ts';
import type { HubSettings } from './settings.ts';

export interface HubRevision extends HubReference {
  readonly commit: string;
  /** Of the top folder; what lies deeper is not asked for by any model. */
  readonly files: readonly HubFile[];
}

export interface HubOptions {
  readonly settings: HubSettings;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** First pause before a request is repeated. */
  readonly pauseMs?: number;
}

/** Asks the hub for the commit that a revision is now, and its files. */
export async function openRevision(reference: HubReference, options: HubOptions): Promise<HubRevision> {
  const { settings } = options;
  const { repo, revision } = reference;
  const client = await import('@huggingface/hub');
  const asked = { hubUrl: settings.endpoint, fetch: hubFetch(settings, repo, options) };
  try {
    const { sha } = await client.modelInfo({ ...asked, name: repo, revision, additionalFields: ['sha'] });
    const files: HubFile[] = [];
    for await (const entry of client.listFiles({
      ...asked,
      repo: { type: 'model', name: repo },
      revision: sha,
    })) {
      const etag = entry.lfs?.oid ?? entry.oid;
      if (entry.type === 'file' && etag !== undefined)
        files.push({ path: entry.path, bytes: entry.lfs?.size ?? entry.size, etag: checkedName(etag, repo) });
    }
    return { repo, revision, commit: checkedName(sha, repo), files };
  } catch (error) {
    throw await withNearest(EmlocError.from(error), reference, asked);
  }
}

/** The files' directory in the cache, as Python's huggingface_hub would have it: those that are missing are fetched. */
export async function fetchFiles(
  revision: HubRevision,
  paths: readonly string[],
  options: HubOptions,
): Promise<string> {
  const { settings, signal, onProgress } = options;
  const what = referenceText(revision);
  const cache = new HubCache(settings.cacheDir, revision.repo);
  const directory = cache.snapshot(revision.commit);
  const wanted = paths.map((path) => present(revision, path));
  const missing = async (): Promise<HubFile[]> => {
    const there = await Promise.all(wanted.map(({ path, bytes }) => cache.has(revision.commit, path, bytes)));
    return wanted.filter((_, index) => !there[index]);
  };
  if ((await missing()).length === 0) return directory;
  const onWait = (): void => onProgress?.({ phase: 'wait', what, doneBytes: 0, totalBytes: undefined });
  await withFileLock(cache.lockPath, async () => fetchMissing(cache, revision, await missing(), options), {
    signal,
    onWait,
  });
  return directory;
}

/** Whoever asks the cache for the revision from now on gets this commit; told when all that is wanted of it is there. */
export async function rememberRevision(
  { repo, revision, commit }: HubRevision,
  { cacheDir }: HubSettings,
): Promise<void> {
  await new HubCache(cacheDir, repo).remember(revision, commit);
}

async function fetchMissing(
  cache: HubCache,
  revision: HubRevision,
  files: readonly HubFile[],
  options: HubOptions,
): Promise<void> {
  const { settings, signal, onProgress, pauseMs } = options;
  const { repo, commit } = revision;
  const get = hubFetch(settings, repo, options);
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const what = referenceText(revision);
  let before = 0;
  let checkedRoom = false;
  for (const file of files) {
    const { path, bytes, etag } = file;
    if (!(await cache.hasBlob(etag, bytes))) {
      const tell = (doneBytes: number): void =>
        onProgress?.({ phase: 'download', what, doneBytes, totalBytes });
      tell(before);
      await downloadFile({
        file,
        repo,
        url: `${settings.endpoint}/${repo}/resolve/${commit}/${encodeURIComponent(path)}`,
        blobPath: cache.blob(etag),
        prepare: () => cache.prepare(commit),
        fetch: get,
        signal,
        pauseMs,
        onBytes: (done) => tell(before + done),
      });
    }
    await cache.link(commit, path, etag);
    before += bytes;
    // Asked once the folder exists: after the first, small file.
    if (!checkedRoom) await assertFreeSpace(cache.folder, totalBytes - before, `fetching ${what}`, 'HF_HOME');
    checkedRoom = true;
  }
}

function present(revision: HubRevision, path: string): HubFile {
  const found = revision.files.find((file) => file.path === path);
  if (found !== undefined) return found;
  throw new EmlocError('NOT_FOUND', 'FILE_NOT_FOUND', `${referenceText(revision)} has no file ${path}`, {
    field: 'repository',
    value: revision.repo,
    mend: `it has ${revision.files.map((file) => file.path).join(', ')}`,
  });
}

/** Digests become names of files: nothing else may. */
function checkedName(name: unknown, repo: string): string {
  if (typeof name === 'string' && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(name)) return name;
  throw new EmlocError(
    'UNAVAILABLE',
    'HUB_FAILED',
    `the hub's answer about ${repo} names no digest: ${String(name)}`,
    {
      field: 'HF_ENDPOINT',
      mend: 'see whether HF_ENDPOINT is the address of a hub',
    },
  );
}
