/**
 * The hub's cache as Python's huggingface_hub lays it out: `models--ORG--NAME/` with `blobs/<etag>` (each content once),
 * `snapshots/<commit>/<file>` (links to blobs) and `refs/<branch or tag>` (a commit). Whoever fetched a file, it is there
 * for all.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { isCommit, type HubReference } from './reference.ts';

export class HubCache {
  readonly #cacheDir: string;
  readonly #folderName: string;

  constructor(cacheDir: string, repo: string) {
    this.#cacheDir = cacheDir;
    this.#folderName = folderName(repo);
  }

  get folder(): string {
    return join(this.#cacheDir, this.#folderName);
  }

  /** One of ours at a time for a repository. Python's locks are the kernel's, on other files; see `download-file.ts`. */
  get lockPath(): string {
    return join(this.#cacheDir, '.locks', this.#folderName, 'emloc.lock');
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag);
  }

  /** The folders of a repository that has a snapshot: Python's tools take blobs without one for a broken cache. */
  async prepare(commit: string): Promise<void> {
    try {
      for (const folder of [join(this.folder, 'blobs'), this.snapshot(commit)])
        await mkdir(folder, { recursive: true });
    } catch (error) {
      throw inCache(error);
    }
  }

  /** The commit that a revision was when it was last fetched. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async remember(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.commitOf(revision)) === commit) return;
    await written(join(this.folder, 'refs', revision), async (path) => writeFile(path, commit));
  }

  /** Does the snapshot have the file, whole? Its name stands there only when its blob does. */
  async has(commit: string, file: string, bytes?: number): Promise<boolean> {
    const size = await sizeOf(join(this.snapshot(commit), file));
    return size !== undefined && (bytes === undefined || size === bytes);
  }

  async hasBlob(etag: string, bytes: number): Promise<boolean> {
    return (await sizeOf(this.blob(etag))) === bytes;
  }

  /** Puts a blob's name into a snapshot; a copy where the file system knows no links. */
  async link(commit: string, file: string, etag: string): Promise<void> {
    const place = join(this.snapshot(commit), file);
    const blob = this.blob(etag);
    await written(place, (path) =>
      symlink(relative(dirname(place), blob), path).catch((error: NodeJS.ErrnoException) => {
        if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(error.code ?? '')) throw error;
        return copyFile(blob, path, constants.COPYFILE_FICLONE);
      }),
    );
  }
}

/** The snapshot of a reference that the cache knows, whole or not; undefined where it knows none. */
export async function cachedSnapshot(
  { repo, revision }: HubReference,
  cacheDir: string,
): Promise<string | undefined> {
  const cache = new HubCache(cacheDir, repo);
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return undefined;
  const directory = cache.snapshot(commit);
  return (await stat(directory).catch(() => undefined)) === undefined ? undefined : directory;
}

/** `ORG/NAME` of every repository of models in the cache. */
export async function cachedRepositories(cacheDir: string): Promise<string[]> {
  const names = await readdir(cacheDir).catch(() => []);
  return names.filter((name) => name.startsWith('models--')).map((name) => repoOf(name));
}

/** `ORG/NAME` where the directory is a snapshot in a cache of the hub. */
export function repositoryOfSnapshot(directory: string): string | undefined {
  const found = /(?:^|\/)(models--[^/]+--[^/]+)\/snapshots\/[0-9a-f]{40}\/?$/.exec(directory)?.[1];
  return found === undefined ? undefined : repoOf(found);
}

const folderName = (repo: string): string => `models--${repo.replaceAll('/', '--')}`;
const repoOf = (folder: string): string => folder.slice('models--'.length).replaceAll('--', '/');

const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  );

/** Whole or not at all, over what may be there. */
async function written(place: string, write: (path: string) => Promise<void>): Promise<void> {
  const temporary = `${place}.${randomUUID().slice(0, 8)}.incomplete`;
  try {
    await mkdir(dirname(place), { recursive: true });
    await write(temporary);
    await rename(temporary, place);
  } catch (error) {
    throw inCache(error);
  }
}

/** A failure of the disk, laid at the setting that chooses another one. */
export function inCache(thrown: unknown): EmlocError {
  const error = EmlocError.from(thrown);
  if (error.reason !== 'DISK_FULL' && error.reason !== 'FILE_NOT_ACCESSIBLE') return error;
  return error.with({
    field: 'HF_HOME',
    mend: 'free some space, or set HF_HOME to a directory that can be written',
  });
}
