/** Where the contracts lie: the repository's `proto/`, preceded by the directories in EMLOC_PROTO_DIR. */
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EmlocError } from '@emloc/errors';

const ownDirectory = fileURLToPath(new URL('../../../../proto', import.meta.url));

export function protoDirectories(): string[] {
  const told = (process.env['EMLOC_PROTO_DIR'] ?? '').split(delimiter).filter((part) => part !== '');
  return [...told, ownDirectory];
}

/** The .proto files of a package, sorted, from the first directory that has the package. */
export function protoFilesOf(packageName: string): string[] {
  const folder = packageName.replaceAll('.', '/');
  for (const directory of protoDirectories()) {
    const path = join(directory, folder);
    if (!existsSync(path)) continue;
    const files = readdirSync(path).filter((name) => name.endsWith('.proto'));
    if (files.length > 0) return files.sort().map((name) => join(path, name));
  }
  throw new EmlocError('NOT_FOUND', 'CONTRACT_NOT_FOUND', `no contract for the package ${packageName}`, {
    value: packageName,
    mend: `looked in ${protoDirectories().join(', ')}; set EMLOC_PROTO_DIR to the directory that holds ${folder}`,
  });
}
