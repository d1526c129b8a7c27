/** Why a process ended that left neither a result nor an error, as well as its parent can tell. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EmlocError } from '@emloc/errors';
import { logTailBytes } from '../limits.ts';
import type { Usage } from '../types.ts';
import { diskFullExitCode } from '../worker/order.ts';
import type { Exit } from './spawn-worker.ts';

export interface Circumstances {
  readonly exit: Exit;
  readonly logPath: string | undefined;
  readonly usage: Usage;
  readonly memoryLimitBytes: number | undefined;
  /** It was ended by its owner for passing the limit. */
  readonly overLimit: boolean;
}

export function exitReason({ exit, logPath, usage, memoryLimitBytes, overLimit }: Circumstances): EmlocError {
  const anonymous = mebibytes(usage.peakRssAnonBytes);
  const metadata = {
    peakRssBytes: String(usage.peakRssBytes),
    peakRssAnonBytes: String(usage.peakRssAnonBytes),
    ...(exit.signal === null ? {} : { signal: exit.signal }),
  };
  if (overLimit && memoryLimitBytes !== undefined) {
    return new EmlocError(
      'RESOURCE_EXHAUSTED',
      'MEMORY_LIMIT_EXCEEDED',
      `the process held ${anonymous}, the service gives it ${mebibytes(memoryLimitBytes)}`,
      { metadata, mend: 'choose a smaller batch, sequence length or ratio, or let the service give more' },
    );
  }
  const tail = logPath === undefined ? '' : tailOf(logPath);
  if (exit.signal === 'SIGKILL' || /heap out of memory|std::bad_alloc|Cannot allocate memory/.test(tail)) {
    return new EmlocError(
      'RESOURCE_EXHAUSTED',
      'OUT_OF_MEMORY',
      `the process was ended from outside, most likely for lack of memory; it held ${anonymous} of its own`,
      { metadata, mend: 'free memory, or choose a smaller batch, sequence length or ratio' },
    );
  }
  if (exit.signal === 'SIGBUS') {
    return new EmlocError(
      'DATA_LOSS',
      'MAPPED_FILE_SHRANK',
      'a weights file that was mapped became shorter, or its disk failed, while it was used',
      { metadata, mend: 'restore the model directory, leave it alone while it is used, and resume' },
    );
  }
  if (exit.code === diskFullExitCode) {
    return diskFull();
  }
  if (exit.error !== undefined) {
    return new EmlocError(
      'INTERNAL',
      'WORKER_NOT_STARTED',
      `the process could not be started: ${exit.error.message}`,
      {
        cause: exit.error,
      },
    );
  }
  const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
  const last = tail === '' ? '' : `; its last words: ${tail}`;
  return new EmlocError('INTERNAL', 'WORKER_CRASHED', `the process ended by ${how}${last}`, { metadata });
}

export const diskFull = (): EmlocError =>
  new EmlocError('RESOURCE_EXHAUSTED', 'DISK_FULL', 'no space left on the disk of the state directory', {
    mend: 'free some space, and resume',
  });

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

function tailOf(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, logTailBytes));
      readSync(file, bytes, 0, bytes.length, size - bytes.length);
      return bytes.toString('utf8').trim();
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
