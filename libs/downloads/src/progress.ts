/** How far a download or an unpacking is. */
export interface DownloadProgress {
  readonly phase: 'wait' | 'download' | 'unpack';
  /** What is being fetched, for people. */
  readonly what: string;
  readonly doneBytes: number;
  /** Undefined while it is not known. */
  readonly totalBytes: number | undefined;
}

export type OnProgress = (progress: DownloadProgress) => void;
