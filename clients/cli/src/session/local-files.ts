/**
 * Files between a command and the mesh of the same machine: named by their path; results are copied out of the store
 * (an instant clone where the file system can), never linked, so that a user who edits one does not change the store.
 */
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ArtifactReference, Source } from '../wire/artifact.ts';
import type { Files } from './session.ts';

export class LocalFiles implements Files {
  model(path: string): Source {
    return { path: resolve(path) };
  }

  input(path: string): Promise<Source> {
    return Promise.resolve({ path: resolve(path) });
  }

  async fetch(artifact: ArtifactReference, path: string): Promise<void> {
    await copyOut(artifact.uri.startsWith('file:') ? fileURLToPath(artifact.uri) : artifact.uri, path);
  }
}

/** The store's files are read-only and old; the user's are new and his own. */
async function copyOut(from: string, to: string): Promise<void> {
  if ((await stat(from)).isDirectory()) {
    await mkdir(to, { recursive: true });
    for (const entry of await readdir(from)) await copyOut(join(from, entry), join(to, entry));
    return;
  }
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o644);
  const now = new Date();
  await utimes(to, now, now);
}
