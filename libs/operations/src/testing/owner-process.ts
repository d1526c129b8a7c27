/** Starts owner.ts and ends it with the test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atEnd } from './setup.ts';

export interface OwnerProcess {
  readonly child: ChildProcess;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export function ownerProcess(
  stateDir: string,
  id: string,
  kind: string,
  request: object,
  leaseMs = 1000,
): OwnerProcess {
  const file = fileURLToPath(new URL('./owner.ts', import.meta.url));
  const argv = ['--import', 'tsx', file, stateDir, id, kind, JSON.stringify(request), String(leaseMs)];
  const child = spawn(process.execPath, argv, { stdio: 'inherit' });
  const exit = once(child, 'exit');
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    if (signal !== 'SIGSTOP') await exit;
  };
  atEnd(async () => {
    if (child.exitCode === null && child.signalCode === null) await kill('SIGKILL');
  });
  return { child, kill };
}
