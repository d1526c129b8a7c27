import { EmlocError } from '@emloc/errors';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';

/** `sha256:<hex>` over the files' names, lengths and bytes, in the order given; streams, holding 1 MiB at a time. */
export const digestFiles = async (files: readonly string[]): Promise<string> => {
  const hash = createHash('sha256');
  try {
    for (const file of files) {
      hash.update(`${basename(file)}\0${(await stat(file)).size}\0`);
      for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }))
        hash.update(chunk as Buffer);
    }
  } catch (error) {
    throw EmlocError.from(error);
  }
  return `sha256:${hash.digest('hex')}`;
};
