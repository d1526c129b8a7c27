/** Messages of emloc.artifact.v1 and emloc.dataset.v1, as libs/mesh hands them out. */
import type { CallOptions } from '@emloc/mesh';

export interface ArtifactReference {
  readonly digest: string;
  readonly uri: string;
  readonly byteSize: number;
}

export type Source = { readonly path: string } | { readonly artifact: { readonly digest: string } };

export interface DatasetSpec {
  readonly source: Source;
  readonly maxSeqLength?: number;
  /** `DATA_FORMAT_…` */
  readonly format?: string;
  readonly columns?: Readonly<Record<string, string | undefined>>;
  /** `LOSS_ON_…` */
  readonly lossOn?: string;
  readonly chatTemplate?: string;
  readonly maxRows?: number;
}

export interface FileEntry {
  readonly path: string;
  readonly byteSize: number;
}

export type ArtifactKind = 'ARTIFACT_KIND_FILE' | 'ARTIFACT_KIND_DIRECTORY';

export interface GetArtifactResponse {
  readonly artifact: ArtifactReference;
  readonly kind: ArtifactKind;
  readonly files: readonly FileEntry[];
}

export type UploadArtifactRequest =
  | { readonly header: { readonly digest: string; readonly kind: ArtifactKind } }
  | { readonly file: FileEntry }
  | { readonly chunk: Buffer };

export interface DownloadArtifactResponse {
  readonly step?: 'file' | 'chunk';
  readonly file?: FileEntry;
  readonly chunk?: Buffer;
}

export interface ArtifactClient {
  getArtifact(request: { digest: string }, options?: CallOptions): Promise<GetArtifactResponse>;
  uploadArtifact(
    requests: AsyncIterable<UploadArtifactRequest>,
    options?: CallOptions,
  ): Promise<{ readonly artifact: ArtifactReference }>;
  downloadArtifact(
    request: { digest: string },
    options?: CallOptions,
  ): AsyncIterable<DownloadArtifactResponse>;
}
