/** What the tests share: a directory that goes, managers that are closed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { OperationManager } from '../manager/operation-manager.ts';
import { startTimeOf } from '../process/proc.ts';
import type { ManagerOptions } from '../manager/options.ts';

export const workerFile = new URL('./worker.ts', import.meta.url);
const names = [
  'add',
  'steps',
  'deaf',
  'fail',
  'die',
  'mortal',
  'fill',
  'exit',
  'allocate',
  'produce',
  'echo',
  'consume',
  'sleep',
];

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

export function stateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'emloc-operations-'));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function manager(options: Partial<ManagerOptions> = {}): OperationManager {
  const kinds = Object.fromEntries(names.map((name) => [name, { worker: workerFile }]));
  const made = new OperationManager({ stateDir: options.stateDir ?? stateDirectory(), kinds, ...options });
  cleanUps.push(() => made.close({ graceMs: 0 }));
  return made;
}

/** For what a test started by other means. */
export function atEnd(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

export const alive = (pid: number): boolean => startTimeOf(pid) !== undefined;
