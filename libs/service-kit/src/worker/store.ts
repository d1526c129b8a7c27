/** The store as an operation's process sees it, and digests of what it reads. */
import { statSync } from 'node:fs';
import { ArtifactStore, directoryDigest, fileDigest, type Artifact } from '@emloc/artifacts';
import { EmlocError } from '@emloc/errors';
import type { ArtifactReference } from '../operations/events.ts';

/** Its service passes the place on. */
export function openStore(): ArtifactStore {
  const root = process.env['EMLOC_STORE_DIR'];
  if (root !== undefined && root !== '') return new ArtifactStore(root);
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
