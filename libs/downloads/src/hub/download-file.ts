/**
 * One file of the hub into the cache's blobs: resumed where a former try ended, checked against the hub's digest, and
 * there under its name only when it is whole. Python's huggingface_hub writes under other temporary names and renames as
 * well, so the two cannot spoil each other's work.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, truncate } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmlocError } from '@emloc/errors';
import { inCache } from './cache.ts';
import { cancelled } from './hub-fetch.ts';

export interface HubFile {
  /** Inside the repository. */
  readonly path: string;
  readonly bytes: number;
  /** Name of its blob: SHA-256 of a large file, git's SHA-1 of a small one. */
  readonly etag: string;
}

export interface FileDownload {
  readonly file: HubFile;
  readonly url: string;
  readonly repo: string;
  readonly blobPath: string;
  /** Called once the server sends the file: makes the folder of `blobPath`. */
  readonly prepare: () => Promise<void>;
  readonly fetch: typeof fetch;
  readonly signal?: AbortSignal;
  /** Bytes of this file that are there. */
  readonly onBytes?: (bytes: number) => void;
  /** First pause after a broken connection. */
  readonly pauseMs?: number;
}

/** A connection may break so often without a byte having come in between. */
const vainAttempts = 5;

export async function downloadFile(download: FileDownload): Promise<void> {
  const { file, blobPath, signal } = download;
  const partial = `${blobPath}.emloc.incomplete`;
  let vain = 0;
  let startedAnew = false;
  for (;;) {
    const hash = digestOf(file);
    const before = await hashPartial(partial, hash);
    download.onBytes?.(before);
    const got = before < file.bytes ? await receive(download, partial, before, hash) : { bytes: before };
    if (got.broken !== undefined) {
      vain = got.bytes > before ? 1 : vain + 1;
      if (vain > vainAttempts) throw broke(download, got.bytes, got.broken);
      await sleep((download.pauseMs ?? 500) * vain, undefined, { signal }).catch(() => {
        throw cancelled(download.repo);
      });
      continue;
    }
    if (got.bytes === file.bytes && hash.digest('hex') === file.etag) break;
    await rm(partial, { force: true });
    // What a former process left may have been bad; what came whole in this one was not.
    if (before === 0 || startedAnew) throw otherContent(download);
    startedAnew = true;
  }
  await rename(partial, blobPath);
}

/** LFS names a file by its SHA-256, git by the SHA-1 of a header and the content. */
function digestOf({ etag, bytes }: HubFile): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

/** How many bytes are there already; they are put into the hash. */
async function hashPartial(partial: string, hash: Hash): Promise<number> {
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(partial, { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw EmlocError.from(error);
  }
  return bytes;
}

interface Received {
  /** In the partial file now. */
  readonly bytes: number;
  /** Why no more came, where not all did. */
  readonly broken?: unknown;
}

async function receive(
  { file, url, repo, fetch: get, signal, onBytes, prepare }: FileDownload,
  partial: string,
  before: number,
  hash: Hash,
): Promise<Received> {
  const response = await get(url, {
    // The range and the digest are those of the file, not of its compressed form.
    headers: { 'Accept-Encoding': 'identity', ...(before > 0 && { Range: `bytes=${before}-` }) },
    signal,
  });
  const isRest =
    response.status === 206 && (response.headers.get('Content-Range') ?? '').startsWith(`bytes ${before}-`);
  if (before > 0 && !isRest) {
    await response.body?.cancel();
    await truncate(partial, 0);
    return { bytes: 0, broken: new Error('the server does not send the rest of a file') };
  }
  let bytes = before;
  await prepare();
  const output = await open(partial, 'a').catch((error: unknown) => {
    throw inCache(error);
  });
  try {
    for await (const chunk of response.body ?? []) {
      await output.write(chunk as Uint8Array).catch((error: unknown) => {
        throw inCache(error);
      });
      hash.update(chunk as Uint8Array);
      bytes += (chunk as Uint8Array).length;
      onBytes?.(bytes);
      if (bytes > file.bytes) return { bytes };
    }
    await output.datasync();
  } catch (error) {
    if (signal?.aborted) throw cancelled(repo);
    if (error instanceof EmlocError) throw error;
    return { bytes, broken: error };
  } finally {
    await output.close();
  }
  return bytes < file.bytes ? { bytes, broken: new Error('the connection ended early') } : { bytes };
}

const broke = ({ file, repo }: FileDownload, bytes: number, cause: unknown): EmlocError =>
  new EmlocError(
    'UNAVAILABLE',
    'DOWNLOAD_BROKEN',
    `the connection broke ${vainAttempts} times in ${file.path} of ${repo}, after ${bytes} of ${file.bytes} bytes: ${(cause as Error).message}`,
    { field: 'repository', value: repo, mend: 'run the command again: it goes on from there', cause },
  );

const otherContent = ({ file, repo }: FileDownload): EmlocError =>
  new EmlocError(
    'DATA_LOSS',
    'OTHER_CONTENT',
    `${file.path} of ${repo} came with another content than the hub's digest says`,
    {
      field: 'repository',
      value: repo,
      mend: 'run the command again; if it stays so, what stands between you and HF_ENDPOINT changes files',
    },
  );
