/**
 * How a command gets its mesh: the one that is up, or one started now. Both are held by a lease, so a mesh that a
 * command started goes when that command and all who joined it are done.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { EmlocError, type ErrorCode } from '@emloc/errors';
import { withFileLock } from '@emloc/downloads';
import { programArguments } from '@emloc/launch';
import type { Home } from './home.ts';
import { Lease } from './lease.ts';
import { readMeshFile } from './mesh-file.ts';
import type { Addresses } from './services.ts';

export interface HeldMesh {
  readonly addresses: Addresses;
  readonly pid: number;
  /** This command started it; otherwise it was up. */
  readonly started: boolean;
  readonly lease: Lease;
}

export interface HoldMeshOptions {
  readonly home: Home;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly onStart?: () => void;
}

export async function holdMesh({ home, environment, signal, onStart }: HoldMeshOptions): Promise<HeldMesh> {
  return withFileLock(
    home.startLock,
    async () => {
      const up = await takeLease(home);
      if (up !== undefined) return { ...up, started: false };
      onStart?.();
      await startSupervisor(home, environment, signal);
      const mine = await takeLease(home);
      if (mine !== undefined) return { ...mine, started: true };
      throw new EmlocError('UNAVAILABLE', 'MESH_NOT_STARTED', 'the local mesh ended as soon as it was up', {
        mend: `see the logs in ${home.logs}`,
      });
    },
    { signal },
  );
}

/** A file of a mesh that is gone does no harm: nobody opens. */
async function takeLease(home: Home): Promise<Omit<HeldMesh, 'started'> | undefined> {
  const file = await readMeshFile(home.meshFile);
  if (file === undefined) return undefined;
  const lease = await Lease.take(file);
  return lease === undefined ? undefined : { addresses: file.addresses, pid: file.pid, lease };
}

/** Resolves when the mesh is up; its process then no longer depends on this one. */
async function startSupervisor(
  home: Home,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(home.logs, { recursive: true, mode: 0o700 });
  const log = openSync(join(home.logs, 'mesh.log'), 'a', 0o600);
  const main = new URL('./supervisor-main.ts', import.meta.url);
  const child = spawn(process.execPath, programArguments(main), {
    detached: true,
    env: { ...environment, EMLOC_HOME: home.directory },
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  try {
    await firstWord(child, signal, home);
  } catch (error) {
    await ended(child);
    throw error;
  }
  child.disconnect();
  child.unref();
}

function firstWord(child: ChildProcess, signal: AbortSignal, home: Home): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      child.kill('SIGTERM');
      reject(new EmlocError('CANCELLED', 'CANCELLED', 'interrupted while the mesh was starting'));
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    child.once('error', reject);
    child.once('exit', (code, by) =>
      reject(
        new EmlocError(
          'UNAVAILABLE',
          'MESH_NOT_STARTED',
          `the local mesh ended at its start (${by ?? `exit code ${code}`})`,
          {
            mend: `see ${join(home.logs, 'mesh.log')}`,
          },
        ),
      ),
    );
    child.once('message', (message: SupervisorWord) => {
      signal.removeEventListener('abort', stop);
      if (message.error === undefined) return resolve();
      const { code, reason, message: text, mend } = message.error;
      reject(new EmlocError(code, reason, text, { mend }));
    });
  });
}

interface SupervisorWord {
  readonly ready?: boolean;
  readonly error?: {
    readonly code: ErrorCode;
    readonly reason: string;
    readonly message: string;
    readonly mend?: string;
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) resolve();
    else child.once('exit', () => resolve());
  });
}
