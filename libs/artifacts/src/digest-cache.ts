/**
 * Digests of files that were hashed before, so that a model of many gigabytes is hashed once. A file is known by path,
 * length, inode and times; one that changed less than two seconds before it was hashed is not remembered, since a
 * further change might keep its times.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDigest, type Digest } from './digest.ts';

const settledMs = 2000;

export class DigestCache {
  readonly #folder: string;
  readonly #memory = new Map<string, Digest>();

  /** `folder` is made when first needed; several processes may share it. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The key under which to remember the file as it is now, and its digest where that is known. */
  async get(path: string): Promise<{ key: string; digest: Digest | undefined } | undefined> {
    const key = await keyOf(path);
    if (key === undefined) return undefined;
    const remembered = this.#memory.get(key) ?? (await readFile(this.#place(key), 'utf8').catch(() => ''));
    return { key, digest: isDigest(remembered) ? remembered : undefined };
  }

  /** Remembers it if the file is still as it was. A cache that cannot be written is no reason to fail. */
  async set(path: string, key: string, digest: Digest): Promise<void> {
    if ((await keyOf(path)) !== key || !(await isSettled(path))) return;
    this.#memory.set(key, digest);
    const place = this.#place(key);
    const temporary = `${place}.${randomUUID().slice(0, 8)}`;
    try {
      await mkdir(dirname(place), { recursive: true });
      await writeFile(temporary, digest);
      await rename(temporary, place);
    } catch {
      return;
    }
  }

  #place(key: string): string {
    return join(this.#folder, key.slice(0, 2), key.slice(2));
  }
}

async function keyOf(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    const { size, ino, dev, mtimeNs, ctimeNs } = await stat(real, { bigint: true });
    return createHash('sha256').update([real, size, ino, dev, mtimeNs, ctimeNs].join('\0')).digest('hex');
  } catch {
    return undefined;
  }
}

async function isSettled(path: string): Promise<boolean> {
  const { mtimeMs, ctimeMs } = await stat(path);
  return Date.now() - Math.max(mtimeMs, ctimeMs) > settledMs;
}
