/**
 * One process at a time for a piece of work, by a lock file that names its owner. A lock whose owner is gone is taken
 * over: on the same machine that is seen at once (process id and start time), from another machine (a shared disk)
 * once the owner has not touched the file for two minutes.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmlocError } from '@emloc/errors';

const pollMs = 200;
const heartbeatMs = 20_000;
const staleAfterMs = 120_000;
/** Taking a dead owner's lock over is a few file operations; who holds that right longer has died in it. */
const takeOverMs = 10_000;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Process ids are used again; the start time tells two holders of one id apart. Empty where unknown. */
  readonly started: string;
  readonly token: string;
}

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Called once, when another process holds the lock and this one begins to wait. */
  readonly onWait?: (owner: { pid: number; host: string }) => void;
  /** How long to wait for another holder; no end by default. */
  readonly timeoutMs?: number;
}

/** Runs `work` while holding the lock at `path` (a file that exists only while it is held). */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const owner: Owner = {
    pid: process.pid,
    host: hostname(),
    started: startOf(process.pid),
    token: randomUUID(),
  };
  await mkdir(dirname(path), { recursive: true });
  await acquire(path, owner, options);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, heartbeatMs);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await ownerOf(path))?.token === owner.token) await rm(path, { force: true });
  }
}

async function acquire(path: string, owner: Owner, options: LockOptions): Promise<void> {
  const deadline = options.timeoutMs === undefined ? Infinity : Date.now() + options.timeoutMs;
  let told = false;
  while (!(await create(path, owner))) {
    const holder = await ownerOf(path);
    if (await isStale(path, holder)) {
      await removeStale(path, holder);
      continue;
    }
    if (holder && !told) options.onWait?.({ pid: holder.pid, host: holder.host });
    told ||= holder !== undefined;
    if (Date.now() > deadline) {
      throw new EmlocError(
        'UNAVAILABLE',
        'LOCK_TIMEOUT',
        `another process (${holder?.pid ?? '?'}) holds ${path}`,
        {
          value: path,
          mend: 'wait for that process to end, or end it',
        },
      );
    }
    if (options.signal?.aborted) throw cancelled(path);
    await sleep(pollMs, undefined, { signal: options.signal }).catch(() => {
      throw cancelled(path);
    });
  }
}

const cancelled = (path: string): EmlocError =>
  new EmlocError('CANCELLED', 'CANCELLED', `cancelled while waiting for ${path}`);

/** False when the file is there already. */
async function create(path: string, owner: Owner): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    try {
      await file.writeFile(JSON.stringify(owner));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw EmlocError.from(error);
  }
}

/** Undefined when nobody holds it, or its owner has not written its name yet. */
async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

async function isStale(path: string, owner: Owner | undefined): Promise<boolean> {
  const ageMs = await stat(path).then(
    (s) => Date.now() - s.mtimeMs,
    () => -1,
  );
  if (ageMs < 0) return false;
  if (owner === undefined) return ageMs > takeOverMs;
  if (owner.host !== hostname()) return ageMs > staleAfterMs;
  return !isAlive(owner);
}

/** Two waiters may see the same dead owner: the second must not remove the lock that the first has just made. */
async function removeStale(path: string, seen: Owner | undefined): Promise<void> {
  const right = `${path}.takeover`;
  const me: Owner = { pid: process.pid, host: hostname(), started: '', token: randomUUID() };
  if (!(await create(right, me))) {
    const ageMs = await stat(right).then(
      (s) => Date.now() - s.mtimeMs,
      () => 0,
    );
    if (ageMs > takeOverMs) await rm(right, { force: true });
    else await sleep(pollMs);
    return;
  }
  try {
    if ((await ownerOf(path))?.token === seen?.token) await rm(path, { force: true });
  } finally {
    await rm(right, { force: true });
  }
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const started = startOf(owner.pid);
  return started === '' || owner.started === '' || started === owner.started;
}

/** Clock ticks from boot to the process's start (Linux), else ''. */
function startOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return fields.slice(fields.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
