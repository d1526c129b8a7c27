/** The build context: which files of the repository Docker would see, and what a COPY takes of them. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import ignore from '@balena/dockerignore';

/** Never in a context, whatever .dockerignore says: not worth walking through. */
const skipped = new Set(['node_modules', '.git', '.nx']);

/** Paths of all files of the context, sorted. */
export function contextFiles(root: string): string[] {
  const rules = ignore.default().add(readFileSync(join(root, '.dockerignore'), 'utf8').split('\n'));
  return below(root, '')
    .filter((path) => !rules.ignores(path))
    .sort();
}

function below(root: string, directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (!entry.isDirectory()) return [path];
    return skipped.has(entry.name) ? [] : below(root, path);
  });
}

/** Those of the files that a COPY of `source` takes. */
export function filesOf(files: readonly string[], source: string): string[] {
  const prefix = source.replace(/^\.?\//, '').replace(/\/$/, '');
  if (prefix === '' || prefix === '.') return [...files];
  return files.filter((path) => path === prefix || path.startsWith(`${prefix}/`));
}

/** Of names, modes and contents. */
export function digestOfFiles(root: string, files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of files) {
    const info = lstatSync(join(root, path));
    const content = info.isSymbolicLink() ? readlinkSync(join(root, path)) : readFileSync(join(root, path));
    hash.update(`${path}\0${info.mode & 0o777}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}
