/**
 * The directories that a service needs: where state and artifacts are written. In a container each is a volume that
 * somebody has to mount, so what is wrong with one is said before any work, and by the variable that names it.
 */
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { EmlocError } from '@emloc/errors';
import type { ServiceConfig } from './environment.ts';

type Directories = Pick<ServiceConfig, 'stateDir' | 'storeDir'>;

const written = (config: Directories) =>
  [
    ['EMLOC_STATE_DIR', config.stateDir],
    ['EMLOC_STORE_DIR', config.storeDir],
  ] as const;

/** Makes them where they are missing; FAILED_PRECONDITION where that, or writing in them, is not possible. */
export async function prepareDirectories(config: Directories): Promise<void> {
  for (const [name, path] of written(config)) {
    await mkdir(path, { recursive: true }).catch((cause: unknown) => {
      throw notWritable(name, path, cause);
    });
  }
  await checkDirectories(config);
}

/** Fails while one of them cannot be read and written. */
export async function checkDirectories(config: Directories): Promise<void> {
  for (const [name, path] of written(config)) {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK).catch((cause: unknown) => {
      throw notWritable(name, path, cause);
    });
  }
}

function notWritable(name: string, path: string, cause: unknown): EmlocError {
  const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new EmlocError(
    'FAILED_PRECONDITION',
    'DIRECTORY_NOT_WRITABLE',
    `${name}: ${path} cannot be written by user ${process.getuid?.() ?? '?'}: ${why}`,
    {
      field: name,
      value: path,
      mend: 'mount a volume there that this user may write, or name another directory',
      cause,
    },
  );
}
