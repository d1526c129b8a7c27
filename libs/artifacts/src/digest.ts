/**
 * Content addresses: `sha256:` and 64 hexadecimal digits. A file's is that of its bytes; a directory's is that of a list
 * of its files (docs/decisions/0402), so any client can compute it:
 *
 *     emloc.directory.v1\n
 *     <path>\0<length in bytes>\0<sha256 of the file, hexadecimal>\n        for each file, sorted by the path's bytes
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EmlocError } from '@emloc/errors';
import type { DigestCache } from './digest-cache.ts';
import { listFiles, type TreeFile } from './tree.ts';

export type Digest = `sha256:${string}`;

const pattern = /^sha256:[0-9a-f]{64}$/;

export const isDigest = (text: string): text is Digest => pattern.test(text);

/** For digests from outside; one that is malformed must not become a path. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'BAD_DIGEST',
    `${JSON.stringify(text.slice(0, 80))} is no digest`,
    {
      field: 'digest',
      value: text.slice(0, 80),
      mend: 'a digest is "sha256:" and 64 lower-case hexadecimal digits',
    },
  );
}

export async function fileDigest(path: string, cache?: DigestCache): Promise<Digest> {
  const known = await cache?.get(path);
  if (known?.digest) return known.digest;
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  } catch (error) {
    throw EmlocError.from(error);
  }
  const digest: Digest = `sha256:${hash.digest('hex')}`;
  if (known) await cache?.set(path, known.key, digest);
  return digest;
}

export interface DirectoryContent {
  readonly digest: Digest;
  readonly files: readonly TreeFile[];
  readonly byteSize: number;
}

export async function directoryDigest(
  folder: string,
  options: { readonly cache?: DigestCache; readonly links?: 'follow' | 'refuse' } = {},
): Promise<DirectoryContent> {
  const files = await listFiles(folder, options.links);
  const list = new DirectoryHash();
  for (const file of files) list.add(file, await fileDigest(join(folder, file.path), options.cache));
  const byteSize = files.reduce((n, file) => n + file.byteSize, 0);
  return { digest: list.digest(), files, byteSize };
}

/** The digest of a directory from those of its files, which come sorted by path. */
export class DirectoryHash {
  readonly #hash = createHash('sha256').update('emloc.directory.v1\n');

  add({ path, byteSize }: TreeFile, digest: Digest): void {
    this.#hash.update(`${path}\0${byteSize}\0${digest.slice('sha256:'.length)}\n`);
  }

  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}
