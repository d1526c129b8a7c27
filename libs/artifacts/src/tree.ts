/** The files below a folder, as an artifact sees them: regular files by relative path, in the order of their bytes. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { checkRelativePath } from './relative-path.ts';

/** An artifact is a model or an adapter, not an archive of everything. */
export const maxFiles = 10_000;

export interface TreeFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly byteSize: number;
}

/** Links to files count as files (model caches are made of them) unless `links` is 'refuse'; other links never do. */
export async function listFiles(folder: string, links: 'follow' | 'refuse' = 'follow'): Promise<TreeFile[]> {
  const files: TreeFile[] = [];
  await walk(folder, '', links, files);
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

async function walk(
  folder: string,
  prefix: string,
  links: 'follow' | 'refuse',
  files: TreeFile[],
): Promise<void> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true }).catch((error: unknown) => {
    throw EmlocError.from(error);
  });
  for (const entry of entries) {
    const path = checkRelativePath(prefix + entry.name);
    if (entry.isDirectory()) {
      await walk(folder, `${path}/`, links, files);
      continue;
    }
    const info = await stat(join(folder, path)).catch((error: unknown) => {
      throw EmlocError.from(error);
    });
    const allowed = entry.isFile() || (entry.isSymbolicLink() && links === 'follow' && info.isFile());
    if (!allowed) throw notRegular(join(folder, path));
    files.push({ path, byteSize: info.size });
    if (files.length > maxFiles) throw tooMany(folder);
  }
}

const notRegular = (path: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'NOT_A_REGULAR_FILE', `${path} is neither a file nor a folder`, {
    field: path,
    value: path,
    mend: 'put a copy of the file itself there',
  });

const tooMany = (folder: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'TOO_MANY_FILES', `${folder} has more than ${maxFiles} files`, {
    field: folder,
    value: folder,
    mend: 'name the model, adapter or data directory itself',
  });
