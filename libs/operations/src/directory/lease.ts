/**
 * Who may run an operation. `lease-N` is created exclusively (a hard link fails where the name exists), so that of two
 * replicas that want attempt N one gets it; the owner renews it by heartbeats. The highest N counts; an owner that finds a
 * higher one has lost. Times are wall clocks: machines that share a store keep them within a second.
 */
import { linkSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { readJson, writeJson } from '../files.ts';
import { killAfterMs } from '../limits.ts';
import { machine, startTimeOf } from '../process/proc.ts';
import { repairEvents } from './event-log.ts';
import { notFound, type Layout } from './layout.ts';

export interface Lease {
  readonly attempt: number;
  readonly owner: string;
  /** Where process ids mean something: the machine and its container. */
  readonly machine: string;
  /** Of the owner, and its start time, so that a reused process id is not taken for it. */
  readonly pid: number;
  readonly pidStart: string | undefined;
  readonly phase: 'queued' | 'running';
  /** Of the operation's process, the leader of its group. */
  readonly workerPid?: number;
  readonly workerStart?: string;
  /** Epoch milliseconds; 0: given back. */
  readonly expiresAt: number;
}

const pathOf = (directory: string, attempt: number): string =>
  join(directory, `lease-${String(attempt).padStart(6, '0')}`);

export const leasePath = (layout: Layout, attempt: number): string => pathOf(layout.directory, attempt);

/** The lease that counts; undefined where there was never one. */
export function currentLease(layout: Layout): Lease | undefined {
  for (;;) {
    const attempt = highestAttempt(layout);
    if (attempt === 0) return undefined;
    const lease = readJson<Lease>(leasePath(layout, attempt));
    // Gone between the two looks: a newer one took its place.
    if (lease !== undefined) return lease;
  }
}

/** Whether its owner still works on it: not expired, and not of this machine and dead. */
export function isLive(lease: Lease | undefined): boolean {
  if (lease === undefined || lease.expiresAt <= Date.now()) return false;
  return lease.machine !== machine() || startTimeOf(lease.pid) === lease.pidStart;
}

export class LeaseHolder {
  readonly #layout: Layout;
  readonly #leaseMs: number;
  #lease: Lease;

  private constructor(layout: Layout, leaseMs: number, lease: Lease) {
    this.#layout = layout;
    this.#leaseMs = leaseMs;
    this.#lease = lease;
  }

  /**
   * Takes the next attempt, and leaves its directory as one owner's: no process of the last one lives, no line is cut off.
   * undefined where another was faster.
   */
  static claim(layout: Layout, owner: string, leaseMs: number): LeaseHolder | undefined {
    const previous = currentLease(layout);
    if (isLive(previous)) return undefined;
    const lease: Lease = {
      attempt: (previous?.attempt ?? 0) + 1,
      owner,
      machine: machine(),
      pid: process.pid,
      pidStart: startTimeOf(process.pid),
      phase: 'queued',
      expiresAt: Date.now() + leaseMs,
    };
    const temporary = join(layout.directory, `.lease-${randomBytes(6).toString('hex')}`);
    writeJson(temporary, lease, false);
    try {
      linkSync(temporary, leasePath(layout, lease.attempt));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw error;
    } finally {
      rmSync(temporary, { force: true });
    }
    if (previous !== undefined) {
      endOrphan(previous);
      rmSync(leasePath(layout, previous.attempt), { force: true });
    }
    repairEvents(layout);
    return new LeaseHolder(layout, leaseMs, lease);
  }

  get attempt(): number {
    return this.#lease.attempt;
  }

  /** False where another replica has taken over. */
  renew(change: Partial<Pick<Lease, 'phase' | 'workerPid' | 'workerStart'>> = {}): boolean {
    return this.#write({ ...this.#lease, ...change, expiresAt: Date.now() + this.#leaseMs });
  }

  /** For whoever wants it next. */
  release(): void {
    this.#write({ ...this.#lease, expiresAt: 0 });
  }

  #write(lease: Lease): boolean {
    if (highestAttempt(this.#layout) > this.attempt) return false;
    writeJson(leasePath(this.#layout, this.attempt), lease, false);
    this.#lease = lease;
    return true;
  }
}

function highestAttempt(layout: Layout): number {
  let highest = 0;
  try {
    for (const name of readdirSync(layout.directory)) {
      const match = /^lease-(\d+)$/.exec(name);
      if (match !== null) highest = Math.max(highest, Number(match[1]));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(layout.id);
    throw error;
  }
  return highest;
}

/** The process of a dead owner may live for the moment that its watchdog needs: two must not write at once. */
function endOrphan(lease: Lease): void {
  if (lease.machine !== machine() || lease.workerPid === undefined || lease.workerStart === undefined) return;
  const started = (): string | undefined => startTimeOf(lease.workerPid ?? 0);
  if (started() !== lease.workerStart) return;
  try {
    process.kill(-lease.workerPid, 'SIGKILL');
  } catch {
    // Ended by itself meanwhile.
  }
  const until = Date.now() + killAfterMs;
  while (started() === lease.workerStart && Date.now() < until) Atomics.wait(pause, 0, 0, 5);
}

const pause = new Int32Array(new SharedArrayBuffer(4));
