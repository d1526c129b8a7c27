/**
 * A head that config.json says is the embedding, while the files hold one of its own: transformers 4 passes over it, 5
 * uses it if it differs. It is no matter where it is the same; another one is refused, as its owner has to say which counts.
 */
import { EmlocError } from '@emloc/errors';
import { closeSync, openSync, readSync } from 'node:fs';
import type { StoredTensor } from '../types.ts';

/** Places that are compared, spread over the matrix: trained apart, two differ everywhere; all of it would be gigabytes. */
const places = 32;
const bytesOfPlace = 256;

export const checkTiedHead = (embedding: StoredTensor, head: StoredTensor): void => {
  if (isSame(embedding, head)) return;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'BAD_MODEL_CONFIG',
    `config.json ties the head to the embedding, but ${head.name} is there and is another matrix`,
    {
      field: 'tie_word_embeddings',
      value: 'true',
      mend: `set tie_word_embeddings to false to use ${head.name} (as transformers 5 does), or remove that tensor (transformers 4 passes over it)`,
    },
  );
};

const isSame = (a: StoredTensor, b: StoredTensor): boolean => {
  const bytes = a.end - a.begin;
  if (a.dtype !== b.dtype || bytes !== b.end - b.begin) return false;
  const last = Math.max(0, bytes - bytesOfPlace);
  const offsets = Array.from({ length: places }, (_, i) => Math.floor((last * i) / (places - 1)));
  const [partsOfA, partsOfB] = [read(a, offsets), read(b, offsets)];
  return partsOfA.every((part, i) => part.equals(partsOfB[i]!));
};

const read = ({ file, begin }: StoredTensor, offsets: readonly number[]): Buffer[] => {
  const fd = openSync(file, 'r');
  try {
    return offsets.map((offset) => {
      const part = Buffer.alloc(bytesOfPlace);
      return part.subarray(0, readSync(fd, part, 0, bytesOfPlace, begin + offset));
    });
  } finally {
    closeSync(fd);
  }
};
