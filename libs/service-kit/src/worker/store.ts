/** The store as an operation's process sees it, and digests of what it reads. */
import { statSync } from 'node:fs';
import {
  ArtifactStore,
  directoryDigest,
  fileDigest,
  type Artifact,
  type CommitOptions,
  type PutOptions,
} from '@emloc/artifacts';
import { EmlocError } from '@emloc/errors';
import type { ArtifactReference } from '../operations/events.ts';
import { lap } from './laps.ts';

/** What goes into the store is seen in the trace, apart from the work that made it. */
class TracedStore extends ArtifactStore {
  override putFile(path: string, options?: PutOptions): Promise<Artifact> {
    return stored(super.putFile(path, options));
  }

  override putDirectory(folder: string, options?: PutOptions): Promise<Artifact> {
    return stored(super.putDirectory(folder, options));
  }

  override adopt(folder: string, options?: CommitOptions): Promise<Artifact> {
    return stored(super.adopt(folder, options));
  }
}

async function stored(putting: Promise<Artifact>): Promise<Artifact> {
  lap('write files');
  const artifact = await putting;
  lap('store artifact', {
    'emloc.artifact.digest': artifact.digest,
    'emloc.artifact.bytes': artifact.byteSize,
  });
  return artifact;
}

/** Its service passes the place on. */
export function openStore(): ArtifactStore {
  const root = process.env['EMLOC_STORE_DIR'];
  if (root !== undefined && root !== '') return new TracedStore(root);
  throw new EmlocError('INTERNAL', 'NO_STORE', 'the process was not told where the store is', {
    field: 'EMLOC_STORE_DIR',
  });
}

/** The digest of a file's or directory's content; hashed once as long as it does not change. */
export async function digestOf(store: ArtifactStore, path: string): Promise<string> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    return (await directoryDigest(path, { cache: store.digests })).digest;
  }
  return fileDigest(path, store.digests);
}

export const toReference = ({ digest, path, byteSize }: Artifact): ArtifactReference => ({
  digest,
  uri: path,
  byteSize,
});
