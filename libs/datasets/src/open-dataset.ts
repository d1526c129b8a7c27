/** A data file read whole and checked, before any work begins. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { EmlocError } from '@emloc/errors';
import { readRows } from './read-rows.ts';
import type { Row } from './rows.ts';

export interface Dataset {
  readonly file: string;
  readonly rows: readonly Row[];
  /** Whether a tokenizer is needed: false where all rows are tokens already. */
  readonly needsTokenizer: boolean;
}

export async function openDataset(file: string): Promise<Dataset> {
  const isFolder = await stat(file).then(
    (s) => s.isDirectory(),
    (error: unknown) => Promise.reject(EmlocError.from(error)),
  );
  if (isFolder) {
    throw new EmlocError('INVALID_ARGUMENT', 'NOT_A_FILE', `${file} is a folder, not a JSONL file`, {
      field: file,
      value: file,
      mend: 'name the data file itself',
    });
  }
  const rows: Row[] = [];
  for await (const row of readRows(file)) rows.push(row);
  if (rows.length === 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'EMPTY_DATASET', `${file} has no rows`, {
      field: file,
      value: file,
      mend: 'give a JSONL file with at least one line',
    });
  }
  return { file, rows, needsTokenizer: rows.some((row) => row.kind !== 'tokens') };
}

/** `sha256:` and the digest of the file's content. */
export async function datasetDigest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash).catch((error: unknown) => {
    throw EmlocError.from(error);
  });
  return `sha256:${hash.digest('hex')}`;
}
