/** A repository of the test's hub: commits with files, branches that name commits. Weights are large files, as by .gitattributes. */
import { createHash } from 'node:crypto';

export interface StoredFile {
  readonly path: string;
  readonly content: Buffer;
  /** Git's SHA-1. */
  readonly oid: string;
  /** SHA-256 of a large file. */
  readonly sha256: string | undefined;
}

export class HubRepository {
  readonly name: string;
  /** Its files want a licence to be accepted. */
  gated = false;
  private = false;
  readonly refs = new Map<string, string>();
  readonly #commits = new Map<string, ReadonlyMap<string, StoredFile>>();

  constructor(name: string) {
    this.name = name;
  }

  /** The files of a branch (a new one begins as `main`) with these over them. */
  commit(files: Readonly<Record<string, Buffer | string>>, branch: string) {
    const all = new Map(this.files(branch) ?? this.files('main'));
    const large = new Map<string, Buffer>();
    for (const [path, given] of Object.entries(files)) {
      const content = Buffer.from(given);
      const sha256 = isLarge(path) ? createHash('sha256').update(content).digest('hex') : undefined;
      if (sha256 !== undefined) large.set(sha256, content);
      const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
      all.set(path, { path, content, oid, sha256 });
    }
    const digest = createHash('sha1').update(this.name).update(String(this.#commits.size));
    for (const { path, oid } of all.values()) digest.update(path).update(oid);
    const commit = digest.digest('hex');
    this.#commits.set(commit, all);
    this.refs.set(branch, commit);
    return { commit, large };
  }

  commitOf(revision: string): string | undefined {
    return this.#commits.has(revision) ? revision : this.refs.get(revision);
  }

  files(revision: string): ReadonlyMap<string, StoredFile> | undefined {
    return this.#commits.get(this.commitOf(revision) ?? '');
  }
}

export const isLarge = (path: string): boolean => /\.(safetensors|bin|gguf|pt)$/.test(path);
