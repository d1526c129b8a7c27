/** The process of an operation's worker, once it runs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { OperationManager } from '../manager/operation-manager.ts';

export async function workerPid(operations: OperationManager, id: string): Promise<number> {
  await expect.poll(() => operations.get(id).catch(() => undefined)).toMatchObject({ state: 'RUNNING' });
  const { directory, attempt } = await operations.get(id);
  const path = join(directory, `lease-${String(attempt).padStart(6, '0')}`);
  await expect.poll(() => JSON.parse(readFileSync(path, 'utf8')).workerPid).toBeGreaterThan(0);
  return JSON.parse(readFileSync(path, 'utf8')).workerPid as number;
}
