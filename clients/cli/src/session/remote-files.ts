/**
 * Files between a command and a mesh elsewhere: sent under the digest of their content, once; results come back the
 * same way. A model is never sent: it lies inside the mesh's model roots.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { finished } from 'node:stream/promises';
import { checkRelativePath, directoryDigest, fileDigest } from '@emloc/artifacts';
import { EmlocError } from '@emloc/errors';
import type { Output } from '../output/output.ts';
import type {
  ArtifactClient,
  ArtifactReference,
  FileEntry,
  Source,
  UploadArtifactRequest,
} from '../wire/artifact.ts';
import type { Files } from './session.ts';

/** The contract's limit of a chunk. */
const chunkBytes = 1024 * 1024;

export class RemoteFiles implements Files {
  readonly #artifacts: ArtifactClient;
  readonly #modelRoots: readonly string[];
  readonly #output: Output;

  constructor(artifacts: ArtifactClient, modelRoots: readonly string[], output: Output) {
    this.#artifacts = artifacts;
    this.#modelRoots = modelRoots;
    this.#output = output;
  }

  /** A path on the mesh's machine: absolute, or below its first root. */
  model(path: string): Source {
    const [first] = this.#modelRoots;
    const there = posix.resolve(first ?? '/', path);
    if (
      this.#modelRoots.some(
        (root) => there === root || there.startsWith(root.endsWith('/') ? root : `${root}/`),
      )
    ) {
      return { path: there };
    }
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'MODEL_OUTSIDE_ROOTS',
      `${path} lies outside the mesh's model roots`,
      {
        field: '--model',
        value: path,
        mend: `put the model into ${this.#modelRoots.join(' or ') || 'a model root of the mesh'} on its machine, and give its path there`,
      },
    );
  }

  async input(path: string): Promise<Source> {
    const isDirectory = (await stat(path)).isDirectory();
    const { digest, files } = isDirectory
      ? await directoryDigest(path)
      : { digest: await fileDigest(path), files: [{ path: 'file', byteSize: (await stat(path)).size }] };
    if (!(await this.#holds(digest))) await this.#upload(path, isDirectory, digest, files);
    return { artifact: { digest } };
  }

  async fetch(artifact: ArtifactReference, path: string): Promise<void> {
    const isDirectory =
      (await this.#artifacts.getArtifact({ digest: artifact.digest })).kind === 'ARTIFACT_KIND_DIRECTORY';
    let file: WriteStream | undefined;
    let doneBytes = 0;
    try {
      for await (const { file: entry, chunk, step } of this.#artifacts.downloadArtifact({
        digest: artifact.digest,
      })) {
        if (step === 'file' && entry !== undefined) {
          await end(file);
          const to = isDirectory ? join(path, checkRelativePath(entry.path)) : path;
          await mkdir(dirname(to), { recursive: true });
          file = createWriteStream(to);
        } else if (step === 'chunk' && chunk !== undefined && file !== undefined) {
          await write(file, chunk);
          doneBytes += chunk.length;
          this.#progress('download', doneBytes, artifact.byteSize);
        }
      }
    } finally {
      await end(file);
    }
    const { digest } = isDirectory ? await directoryDigest(path) : { digest: await fileDigest(path) };
    if (digest === artifact.digest) return;
    throw new EmlocError('DATA_LOSS', 'DOWNLOAD_DAMAGED', `what came is ${digest}, not ${artifact.digest}`, {
      mend: 'run the command again',
    });
  }

  async #holds(digest: string): Promise<boolean> {
    try {
      await this.#artifacts.getArtifact({ digest });
      return true;
    } catch (error) {
      if (error instanceof EmlocError && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  async #upload(
    path: string,
    isDirectory: boolean,
    digest: string,
    files: readonly FileEntry[],
  ): Promise<void> {
    const totalBytes = files.reduce((sum, { byteSize }) => sum + byteSize, 0);
    let doneBytes = 0;
    const sent = (bytes: number): void => this.#progress('upload', (doneBytes += bytes), totalBytes);
    const kind = isDirectory ? 'ARTIFACT_KIND_DIRECTORY' : 'ARTIFACT_KIND_FILE';
    await this.#artifacts.uploadArtifact(
      (async function* (): AsyncGenerator<UploadArtifactRequest> {
        yield { header: { digest, kind } };
        for (const file of files) {
          yield { file };
          const from = isDirectory ? join(path, file.path) : path;
          for await (const chunk of createReadStream(from, { highWaterMark: chunkBytes })) {
            yield { chunk: chunk as Buffer };
            sent((chunk as Buffer).length);
          }
        }
      })(),
      { deadlineMs: 0 },
    );
  }

  #progress(stage: string, done: number, total: number): void {
    this.#output.progress({ stage, done, total, unit: 'bytes' });
  }
}

async function write(file: WriteStream, chunk: Buffer): Promise<void> {
  if (file.write(chunk)) return;
  await new Promise<void>((resolve, reject) => {
    file.once('drain', resolve);
    file.once('error', reject);
  });
}

async function end(file: WriteStream | undefined): Promise<void> {
  if (file === undefined || file.closed) return;
  file.end();
  await finished(file);
}
