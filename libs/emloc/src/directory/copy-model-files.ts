/** What a model directory needs besides its weights goes along into what is made of it. */
import { copyFileSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isModelFile } from '@emloc/models';

/** Copies it; nothing else goes along, for a repository may hold gigabytes of other formats. Gives the names. */
export function copyModelFiles(from: string, to: string): string[] {
  const names = pathsIn(from).filter((path) => isModelFile(path) && isFile(join(from, path)));
  for (const name of names) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    copyFileSync(join(from, name), join(to, name));
  }
  return names;
}

/** Files and folders, and what is in the folders. */
function pathsIn(directory: string): string[] {
  return readdirSync(directory).flatMap((name) =>
    statSync(join(directory, name), { throwIfNoEntry: false })?.isDirectory() === true
      ? readdirSync(join(directory, name)).map((inside) => `${name}/${inside}`)
      : [name],
  );
}

/** Links count as what they lead to: the cache that the hub fills is made of them. */
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;
