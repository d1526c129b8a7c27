/** A directory that appears whole or not at all: written beside its place, then renamed. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { EmlocError } from '@emloc/errors';

export async function writeDirectory<T>(
  outDir: string,
  options: { readonly overwrite?: boolean },
  write: (temporary: string) => Promise<T>,
): Promise<T> {
  const target = resolve(outDir);
  await refuseExisting(target, options.overwrite ?? false);
  const beside = (what: string): string =>
    join(dirname(target), `.${basename(target)}.${randomUUID().slice(0, 8)}.${what}`);
  const temporary = beside('tmp');
  try {
    await mkdir(temporary, { recursive: true });
    const result = await write(temporary);
    await refuseExisting(target, options.overwrite ?? false);
    const old = beside('old');
    await rename(target, old).catch(() => undefined);
    await rename(temporary, target);
    await rm(old, { recursive: true, force: true });
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw EmlocError.from(error);
  }
}

/** An empty directory is as good as none. */
export async function refuseExisting(target: string, overwrite: boolean): Promise<void> {
  const entries = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    if (error.code === 'ENOTDIR') return [basename(target)];
    throw EmlocError.from(error);
  });
  if (entries.length === 0 || overwrite) return;
  throw new EmlocError('ALREADY_EXISTS', 'OUTPUT_EXISTS', `${target} exists and is not empty`, {
    field: '--output',
    value: target,
    mend: 'choose another directory, or give --overwrite',
  });
}
