/** emloc.artifact.v1.ArtifactService over the store: uploads and downloads, checked by digest. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { parseDigest, type ArtifactStore, type Staging } from '@emloc/artifacts';
import { EmlocError } from '@emloc/errors';
import type { ServiceEntry } from '@emloc/mesh';
import { Fields, readResourceId } from '@emloc/service-kit';
import { artifactKinds, toProtoKind, type Kind } from './artifact-kind.ts';
import { listArtifacts } from './list-artifacts.ts';

const maxFiles = 10_000;

interface UploadStep {
  readonly header?: object | null;
  readonly file?: { readonly path: string; readonly byteSize: number } | null;
  readonly chunk?: Buffer | null;
}

export function artifactService(store: ArtifactStore): ServiceEntry {
  const digestOf = (request: object) =>
    parseDigest(readResourceId(new Fields(request), 'digest', 'artifacts', 80));
  return {
    package: 'emloc.artifact.v1',
    service: 'ArtifactService',
    implementation: {
      async getArtifact(request: object) {
        const { digest, kind, path, byteSize, files } = await store.get(digestOf(request));
        return { artifact: { digest, uri: path, byteSize }, kind: toProtoKind(kind), files };
      },
      listArtifacts: (request: object) => listArtifacts(store, request),
      async uploadArtifact(steps: AsyncIterable<UploadStep>) {
        const staging = await store.begin();
        try {
          const { kind, expected } = await receive(steps, staging);
          const { digest, path, byteSize } = await staging.commit(kind, { expected });
          return { artifact: { digest, uri: path, byteSize } };
        } finally {
          await staging.abort();
        }
      },
      downloadArtifact: (request: object) => store.read(digestOf(request)),
    },
  };
}

async function receive(
  steps: AsyncIterable<UploadStep>,
  staging: Staging,
): Promise<{ readonly kind: Kind; readonly expected: ReturnType<typeof parseDigest> | undefined }> {
  const iterator = steps[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true || !first.value.header)
    throw outOfOrder('an upload begins with its header', 'header');
  const header = new Fields(first.value.header, 'header');
  const kind = header.choice('kind', artifactKinds) ?? header.missing('kind');
  const digest = header.text('digest', 90)?.replace(/^artifacts\//, '');
  const expected = digest === undefined ? undefined : parseDigest(digest);
  let step = await iterator.next();
  for (let count = 1; step.done !== true; count += 1) {
    const { file } = step.value;
    if (!file) throw outOfOrder('bytes came before their file', 'chunk');
    if (count > (kind === 'file' ? 1 : maxFiles)) throw outOfOrder('too many files', 'file');
    const path = await staging.resolve(kind === 'file' ? 'file' : file.path);
    let received = 0;
    async function* bytes(): AsyncGenerator<Buffer> {
      for (
        step = await iterator.next();
        step.done !== true && step.value.chunk;
        step = await iterator.next()
      ) {
        received += step.value.chunk.length;
        if (received > (file?.byteSize ?? 0)) break;
        yield step.value.chunk;
      }
    }
    await pipeline(bytes(), createWriteStream(path, { flags: 'wx' }));
    if (received !== file.byteSize) {
      throw new EmlocError(
        'DATA_LOSS',
        'WRONG_BYTE_SIZE',
        `${file.path} has ${file.byteSize} bytes, not ${received}`,
        {
          field: 'file.byte_size',
          value: String(received),
          mend: 'send the file again',
        },
      );
    }
  }
  return { kind, expected };
}

const outOfOrder = (what: string, field: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'UPLOAD_ORDER', what, {
    field,
    mend: 'send a header, then for each file its entry and its bytes',
  });
