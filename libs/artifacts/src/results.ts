/** Which artifact a stage made of which inputs, so that a stage that was done is not done again. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { isDigest, type Digest } from './digest.ts';
import { syncPath } from './durable.ts';

export class Results {
  readonly #folder: string;
  readonly #has: (digest: Digest) => Promise<boolean>;

  constructor(folder: string, has: (digest: Digest) => Promise<boolean>) {
    this.#folder = folder;
    this.#has = has;
  }

  /** The artifact that was made of the inputs with this key (`resultKey`), if it is still in the store. */
  async get(key: string): Promise<Digest | undefined> {
    const text = await readFile(this.#place(key), 'utf8').catch(() => '');
    return isDigest(text) && (await this.#has(text)) ? text : undefined;
  }

  async put(key: string, digest: Digest): Promise<void> {
    const place = this.#place(key);
    const temporary = `${place}.${randomUUID().slice(0, 8)}.tmp`;
    try {
      await mkdir(dirname(place), { recursive: true });
      await writeFile(temporary, digest);
      await syncPath(temporary);
      await rename(temporary, place);
      await syncPath(dirname(place));
    } catch (error) {
      await rm(temporary, { force: true });
      throw EmlocError.from(error);
    }
  }

  async delete(key: string): Promise<void> {
    await rm(this.#place(key), { force: true });
  }

  /** Every key with its artifact, present or not. */
  async list(): Promise<{ key: string; digest: Digest }[]> {
    const found: { key: string; digest: Digest }[] = [];
    for (const folder of await readdir(this.#folder).catch(() => [])) {
      for (const name of await readdir(join(this.#folder, folder)).catch(() => [])) {
        const digest = await readFile(join(this.#folder, folder, name), 'utf8').catch(() => '');
        if (!name.endsWith('.tmp') && isDigest(digest)) found.push({ key: folder + name, digest });
      }
    }
    return found;
  }

  #place(key: string): string {
    if (!/^[0-9a-f]{64}$/.test(key)) {
      throw new EmlocError('INVALID_ARGUMENT', 'BAD_KEY', `${key.slice(0, 80)} is no result key`, {
        field: 'key',
        value: key.slice(0, 80),
      });
    }
    return join(this.#folder, key.slice(0, 2), key.slice(2));
  }
}
