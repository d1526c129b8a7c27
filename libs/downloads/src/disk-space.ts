/** Is there room before a fetch begins: told at once instead of after an hour of downloading. */
import { mkdir, statfs } from 'node:fs/promises';
import { EmlocError } from '@emloc/errors';

/** Makes the directory (a place in the cache) where it is not there yet; a failure names the cache's setting. */
export async function makeCacheDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    const error = EmlocError.from(cause);
    throw new EmlocError(error.code, error.reason, `the cache cannot be made: ${error.message}`, {
      field: 'EMLOC_CACHE',
      value: path,
      mend: 'set EMLOC_CACHE to a directory that can be written',
      cause,
    });
  }
}

/**
 * Refuses work that needs more than is free on the disk of `directory`; `what` names it: `fetching TensorFlow`. `setting`
 * is the variable that chooses another disk.
 */
export async function assertFreeSpace(
  directory: string,
  neededBytes: number,
  what: string,
  setting = 'EMLOC_CACHE',
): Promise<void> {
  const { bavail, bsize } = await statfs(directory).catch((error: unknown) => {
    throw EmlocError.from(error);
  });
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  throw new EmlocError(
    'RESOURCE_EXHAUSTED',
    'DISK_FULL',
    `${what} needs ${gigabytes(neededBytes)} of disk, ${gigabytes(freeBytes)} are free`,
    {
      field: setting,
      value: directory,
      mend: `free some space, or set ${setting} to a directory on another disk`,
    },
  );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
