/**
 * One coordinator a directory: two on one embedded database would destroy it. The lock is a file with the owner's
 * process id and the time that process started, so that the lock of a killed coordinator, and a process id that was
 * used again, do not stand in the way.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmlocError } from '@emloc/errors';

export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'lock');
  const mine = join(directory, `lock.${process.pid}`);
  writeFileSync(mine, `${process.pid} ${startOf(process.pid) ?? ''}`);
  try {
    if (!take(mine, path) && !isAlive(readOwner(path))) {
      rmSync(path, { force: true });
      if (take(mine, path)) return () => rmSync(path, { force: true });
    } else if (readOwner(path)?.pid === process.pid) {
      return () => rmSync(path, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'COORDINATOR_RUNNING',
    `another coordinator uses ${directory}`,
    {
      field: 'EMLOC_STATE_DIR',
      value: directory,
      mend: 'stop it, give this one another state directory, or use PostgreSQL (EMLOC_DATABASE_URL)',
    },
  );
}

/** Links are made whole or not at all. */
function take(mine: string, path: string): boolean {
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

interface Owner {
  readonly pid: number;
  readonly start: string;
}

function readOwner(path: string): Owner | undefined {
  try {
    const [pid = '', start = ''] = readFileSync(path, 'utf8').split(' ');
    return { pid: Number(pid), start };
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner | undefined): boolean {
  if (owner === undefined || !Number.isInteger(owner.pid)) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const start = startOf(owner.pid);
  return start === undefined || owner.start === '' || start === owner.start;
}

/** Field 22 of /proc/PID/stat: when the process started, in clock ticks since boot; undefined where there is none. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
