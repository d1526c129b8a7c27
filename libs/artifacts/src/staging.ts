/** A place to write an artifact before it has an address. It becomes one whole, or nothing is left of it. */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { directoryDigest, fileDigest, type Digest } from './digest.ts';
import { sealTree, syncPath } from './durable.ts';
import { checkRelativePath } from './relative-path.ts';
import { listFiles } from './tree.ts';

export type ArtifactKind = 'file' | 'directory';

export interface Artifact {
  readonly digest: Digest;
  readonly kind: ArtifactKind;
  /** Where the content is: read it, never write to it. */
  readonly path: string;
  readonly byteSize: number;
}

export interface CommitOptions {
  /** What the sender says the content is; another digest is DATA_LOSS. */
  readonly expected?: Digest;
}

export class Staging {
  /** Write here, on the store's own file system. */
  readonly dir: string;
  readonly #placeOf: (digest: Digest) => string;

  constructor(dir: string, placeOf: (digest: Digest) => string) {
    this.dir = dir;
    this.#placeOf = placeOf;
  }

  /** The place for a file of the artifact, its folders made; a path from another machine is checked here. */
  async resolve(relativePath: string): Promise<string> {
    const path = join(this.dir, checkRelativePath(relativePath));
    await mkdir(dirname(path), { recursive: true });
    return path;
  }

  /** Gives what was written its address. A file artifact is the one file that is there, whatever its name. */
  async commit(kind: ArtifactKind, options: CommitOptions = {}): Promise<Artifact> {
    try {
      return kind === 'file' ? await this.#commitFile(options) : await this.#commitDirectory(options);
    } catch (error) {
      throw EmlocError.from(error);
    } finally {
      await this.abort();
    }
  }

  /** Leaves nothing; may be called at any time, and again. */
  async abort(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  async #commitFile(options: CommitOptions): Promise<Artifact> {
    const files = await listFiles(this.dir, 'refuse');
    const [only] = files;
    if (!only || files.length > 1) {
      throw new EmlocError(
        'INVALID_ARGUMENT',
        'NOT_ONE_FILE',
        `a file artifact is one file, not ${files.length}`,
        {
          field: 'files',
          value: String(files.length),
          mend: 'send exactly one, or a directory',
        },
      );
    }
    const from = join(this.dir, only.path);
    const digest = await fileDigest(from);
    return moveInto(
      from,
      { digest, kind: 'file', path: this.#placeOf(digest), byteSize: only.byteSize },
      options,
    );
  }

  async #commitDirectory(options: CommitOptions): Promise<Artifact> {
    const { digest, byteSize } = await directoryDigest(this.dir, { links: 'refuse' });
    return moveInto(this.dir, { digest, kind: 'directory', path: this.#placeOf(digest), byteSize }, options);
  }
}

/** Another process may bring the same content at the same time: whoever comes second finds it there. */
export async function moveInto(
  from: string,
  artifact: Artifact,
  { expected }: CommitOptions,
): Promise<Artifact> {
  if (expected !== undefined && expected !== artifact.digest) {
    throw new EmlocError(
      'DATA_LOSS',
      'DIGEST_MISMATCH',
      `the content has ${artifact.digest}, not ${expected}`,
      {
        field: 'digest',
        value: expected,
        mend: 'send it again; if the file changed meanwhile, with its new digest',
      },
    );
  }
  if (await isThere(artifact)) return artifact;
  await sealTree(from, artifact.kind === 'file');
  await mkdir(dirname(artifact.path), { recursive: true });
  try {
    await rename(from, artifact.path);
  } catch (error) {
    if (!(await isThere(artifact))) throw error;
  }
  await syncPath(dirname(artifact.path));
  return artifact;
}

async function isThere(artifact: Artifact): Promise<boolean> {
  const found = await stat(artifact.path).catch(() => undefined);
  if (!found) return false;
  if (found.isDirectory() === (artifact.kind === 'directory')) return true;
  throw new EmlocError(
    'ALREADY_EXISTS',
    'OTHER_KIND',
    `${artifact.digest} is in the store, but is no ${artifact.kind}`,
    {
      field: 'digest',
      value: artifact.digest,
      mend: `name it a ${artifact.kind === 'file' ? 'directory' : 'file'}`,
    },
  );
}
