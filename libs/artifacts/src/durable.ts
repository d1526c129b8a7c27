/** What makes a write last through a power cut: the data synced, then the folder that names it. */
import { chmod, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Syncs every file and folder below, and makes the files read-only: what has an address does not change. */
export async function sealTree(path: string, isFile: boolean): Promise<void> {
  if (isFile) {
    await syncPath(path);
    await chmod(path, 0o444);
    return;
  }
  for (const entry of await readdir(path, { withFileTypes: true })) {
    await sealTree(join(path, entry.name), !entry.isDirectory());
  }
  await syncPath(path);
}

/** Some file systems do not sync folders; then there is nothing to be done. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}
