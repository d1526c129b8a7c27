/** emloc.artifact.v1.ArtifactService.ListArtifacts: pages over the store, by digest. */
import { parseDigest, type Artifact, type ArtifactStore, type Digest } from '@emloc/artifacts';
import { EmlocError } from '@emloc/errors';
import { pageTokenInvalid, parseFilter, readPage, resourceName, type FilterFields } from '@emloc/service-kit';
import { toProtoKind } from './artifact-kind.ts';

/** Each artifact that a filter looks at is a walk over its files. */
const maxScanned = 1000;

const filterFields: FilterFields<Artifact> = {
  digest: { type: 'text', of: ({ digest }) => digest },
  kind: {
    type: 'choice',
    values: ['FILE', 'DIRECTORY'],
    prefix: 'ARTIFACT_KIND_',
    of: ({ kind }) => kind.toUpperCase(),
  },
  byte_size: { type: 'number', of: ({ byteSize }) => byteSize },
};

/** A ListArtifactsResponse; `request`: a ListArtifactsRequest. */
export async function listArtifacts(store: ArtifactStore, request: object): Promise<object> {
  const page = readPage(request);
  const matches = parseFilter(page.filter, filterFields);
  const after = page.pageToken === undefined ? '' : fromToken(page.pageToken);
  const rest = (await store.list()).filter((digest) => digest > after);
  const artifacts: object[] = [];
  let last: Digest | undefined;
  for (const digest of rest.slice(0, maxScanned)) {
    if (artifacts.length === page.pageSize) break;
    last = digest;
    const artifact = await found(store, digest);
    if (artifact !== undefined && matches(artifact)) artifacts.push(toProto(artifact));
  }
  const isWhole = last === undefined || last === rest.at(-1);
  return {
    artifacts,
    nextPageToken: page.next(isWhole ? undefined : Buffer.from(last ?? '').toString('base64url')),
  };
}

const toProto = ({ digest, path, byteSize, kind }: Artifact): object => ({
  name: resourceName('artifacts', digest),
  artifact: { digest, uri: path, byteSize },
  kind: toProtoKind(kind),
});

/** Undefined where it was deleted meanwhile. */
async function found(store: ArtifactStore, digest: Digest): Promise<Artifact | undefined> {
  try {
    return await store.get(digest);
  } catch (error) {
    if (EmlocError.from(error).code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function fromToken(token: string): Digest {
  try {
    return parseDigest(Buffer.from(token, 'base64url').toString());
  } catch {
    throw pageTokenInvalid(token);
  }
}
