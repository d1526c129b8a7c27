/**
 * Files between a command and the mesh of the same machine: named by their path; results are copied out of the store
 * (an instant clone where the file system can), never linked, so that a user who edits one does not change the store.
 */
import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, stat, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EmlocError } from '@emloc/errors';
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
    const from = artifact.uri.startsWith('file:') ? fileURLToPath(artifact.uri) : artifact.uri;
    if (!existsSync(from)) throw gone(artifact);
    await copyOut(from, path);
  }
}

/** Stores are emptied now and then, jobs are remembered. */
const gone = ({ digest }: ArtifactReference): EmlocError =>
  new EmlocError('NOT_FOUND', 'ARTIFACT_NOT_FOUND', `the store holds no ${digest} any more`, {
    field: 'digest',
    value: digest,
    mend: 'make it again: the same command, a job under another id',
  });

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
