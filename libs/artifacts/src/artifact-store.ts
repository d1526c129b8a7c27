/**
 * The store: a folder in which every file and directory lies under the digest of its content.
 *
 *     sha256/ab/cdef…     the artifacts: a file or a directory, read-only
 *     results/ab/cdef…    key of a stage's inputs → digest of what it made
 *     digests/            digests of files outside, so that they are hashed once
 *     staging/            what is being written; renamed into place, never copied
 *
 * Any number of processes may use one folder at once: everything appears by rename and disappears by rename.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { chmod, copyFile, link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { DigestCache } from './digest-cache.ts';
import { directoryDigest, DirectoryHash, fileDigest, parseDigest, type Digest } from './digest.ts';
import { Results } from './results.ts';
import { moveInto, Staging, type Artifact, type CommitOptions } from './staging.ts';
import { listFiles, type TreeFile } from './tree.ts';

export interface PutOptions extends CommitOptions {
  /**
   * 'copy' (the default; instant where the file system clones) or 'link': no copy on the same file system, for files
   * that nobody will ever write to again, since the store would change with them.
   */
  readonly transfer?: 'copy' | 'link';
}

export interface GcOptions {
  /** Artifacts to keep besides those that results name. */
  readonly keep?: Iterable<Digest>;
  /** Younger ones stay: their results may be about to be written. Default an hour. */
  readonly minAgeMs?: number;
}

/** Of what is read at once. */
const chunkBytes = 1 << 20;
const hourMs = 3_600_000;
/** A staging folder untouched for so long belongs to a process that died. */
const staleStagingMs = 24 * hourMs;

export class ArtifactStore {
  readonly root: string;
  readonly results: Results;
  /** For digests of files that are not in the store. */
  readonly digests: DigestCache;

  constructor(root: string) {
    this.root = resolve(root);
    this.results = new Results(join(this.root, 'results'), (digest) => this.has(digest));
    this.digests = new DigestCache(join(this.root, 'digests'));
  }

  /** Where the artifact is or would be. */
  path(digest: Digest): string {
    const hex = parseDigest(digest).slice('sha256:'.length);
    return join(this.root, 'sha256', hex.slice(0, 2), hex.slice(2));
  }

  async has(digest: Digest): Promise<boolean> {
    return (await stat(this.path(digest)).catch(() => undefined)) !== undefined;
  }

  /** NOT_FOUND where it is not there. */
  async get(digest: Digest): Promise<Artifact & { readonly files: readonly TreeFile[] }> {
    const path = this.path(digest);
    const info = await stat(path).catch(() => undefined);
    if (!info) throw notFound(digest);
    if (info.isFile()) {
      const files = [{ path: basename(path), byteSize: info.size }];
      return { digest, kind: 'file', path, byteSize: info.size, files };
    }
    const files = await listFiles(path);
    return { digest, kind: 'directory', path, byteSize: files.reduce((n, f) => n + f.byteSize, 0), files };
  }

  /**
   * All of an artifact: each file, sorted by path, then its bytes. They are hashed on their way, and where they are not
   * what the address says, DATA_LOSS comes after the last of them: who reads to the end has the artifact.
   */
  async *read(digest: Digest): AsyncGenerator<{ readonly file: TreeFile } | { readonly chunk: Buffer }> {
    const { kind, path, files } = await this.get(digest);
    const list = new DirectoryHash();
    let only: Digest | undefined;
    for (const file of files) {
      yield { file };
      const hash = createHash('sha256');
      const from = kind === 'file' ? path : join(path, file.path);
      for await (const chunk of createReadStream(from, {
        highWaterMark: chunkBytes,
      }) as AsyncIterable<Buffer>) {
        hash.update(chunk);
        yield { chunk };
      }
      only = `sha256:${hash.digest('hex')}`;
      list.add(file, only);
    }
    const actual = kind === 'file' ? only : list.digest();
    if (actual !== digest) throw damaged(digest, path);
  }

  /** A place to write an artifact; commit or abort it. */
  async begin(): Promise<Staging> {
    const dir = join(this.root, 'staging', randomUUID());
    await mkdir(dir, { recursive: true }).catch((error: unknown) => {
      throw EmlocError.from(error);
    });
    return new Staging(dir, (digest) => this.path(digest));
  }

  async putFile(path: string, options: PutOptions = {}): Promise<Artifact> {
    const digest = await fileDigest(path, this.digests);
    if (await this.has(digest)) return this.get(digest);
    const staging = await this.begin();
    return this.#fill(staging, async () => {
      await transfer(path, join(staging.dir, 'file'), options);
      return staging.commit('file', options);
    });
  }

  async putDirectory(folder: string, options: PutOptions = {}): Promise<Artifact> {
    const { digest, files } = await directoryDigest(folder, { cache: this.digests });
    if (await this.has(digest)) return this.get(digest);
    const staging = await this.begin();
    return this.#fill(staging, async () => {
      for (const file of files)
        await transfer(join(folder, file.path), await staging.resolve(file.path), options);
      return staging.commit('directory', options);
    });
  }

  /** Takes a directory over: it is gone from its place. No copy where it lies on the store's file system. */
  async adopt(folder: string, options: CommitOptions = {}): Promise<Artifact> {
    const { digest, byteSize } = await directoryDigest(folder, { links: 'refuse' });
    let artifact: Artifact;
    try {
      artifact = await moveInto(
        folder,
        { digest, kind: 'directory', path: this.path(digest), byteSize },
        options,
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw EmlocError.from(error);
      artifact = await this.putDirectory(folder, options);
    }
    await rm(folder, { recursive: true, force: true });
    return artifact;
  }

  /** Writes a copy for a user, who may change it, to `target` (which must not exist). */
  async export(digest: Digest, target: string): Promise<void> {
    const { kind, path, files } = await this.get(digest);
    const temporary = `${target}.${randomUUID().slice(0, 8)}.tmp`;
    try {
      if (await stat(target).catch(() => undefined)) throw exists(target);
      if (kind === 'file') await copyOut(path, temporary);
      for (const file of kind === 'directory' ? files : []) {
        const to = join(temporary, file.path);
        await mkdir(join(to, '..'), { recursive: true });
        await copyOut(join(path, file.path), to);
      }
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw EmlocError.from(error);
    }
  }

  async list(): Promise<Digest[]> {
    const found: Digest[] = [];
    const folder = join(this.root, 'sha256');
    for (const head of (await readdir(folder).catch(() => [])).sort()) {
      for (const tail of (await readdir(join(folder, head)).catch(() => [])).sort())
        found.push(`sha256:${head}${tail}`);
    }
    return found;
  }

  /** Disappears at once, though a large one may take a while to free its space. */
  async delete(digest: Digest): Promise<void> {
    const grave = join(this.root, 'staging', randomUUID());
    try {
      await mkdir(join(this.root, 'staging'), { recursive: true });
      await rename(this.path(digest), grave);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw EmlocError.from(error);
    }
    await rm(grave, { recursive: true, force: true });
  }

  /** Deletes what no result names, and what dead processes left; tells what was deleted. */
  async gc(options: GcOptions = {}): Promise<Digest[]> {
    const { minAgeMs = hourMs } = options;
    const kept = new Set<Digest>(options.keep);
    for (const { digest } of await this.results.list()) kept.add(digest);
    const deleted: Digest[] = [];
    for (const digest of await this.list()) {
      if (kept.has(digest) || !(await isOlder(this.path(digest), minAgeMs))) continue;
      await this.delete(digest);
      deleted.push(digest);
    }
    const staging = join(this.root, 'staging');
    for (const name of await readdir(staging).catch(() => [])) {
      if (await isOlder(join(staging, name), staleStagingMs))
        await rm(join(staging, name), { recursive: true, force: true });
    }
    return deleted;
  }

  async #fill(staging: Staging, work: () => Promise<Artifact>): Promise<Artifact> {
    try {
      return await work();
    } catch (error) {
      throw EmlocError.from(error);
    } finally {
      await staging.abort();
    }
  }
}

async function transfer(from: string, to: string, options: PutOptions): Promise<void> {
  if (options.transfer === 'link') {
    try {
      return await link(from, to);
    } catch (error) {
      if (!['EXDEV', 'EPERM', 'EMLINK'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  await copyFile(from, to, constants.COPYFILE_FICLONE);
}

/** The store's files are read-only; a user's copy is not. */
async function copyOut(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o644);
}

const isOlder = async (path: string, ageMs: number): Promise<boolean> => {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.ctimeMs >= ageMs;
};

const notFound = (digest: Digest): EmlocError =>
  new EmlocError('NOT_FOUND', 'ARTIFACT_NOT_FOUND', `the store holds no ${digest}`, {
    field: 'digest',
    value: digest,
    mend: 'upload it, or run the stage that makes it again',
  });

const damaged = (digest: Digest, path: string): EmlocError =>
  new EmlocError('DATA_LOSS', 'ARTIFACT_DAMAGED', `what the store holds as ${digest} was changed`, {
    field: 'digest',
    value: digest,
    mend: `remove ${path}, and upload it or run the job that made it again`,
  });

const exists = (target: string): EmlocError =>
  new EmlocError('ALREADY_EXISTS', 'OUTPUT_EXISTS', `${target} exists already`, {
    field: target,
    value: target,
  });
