/**
 * Ends a process whose parent died or whose lease is lost, within a second, also while its main thread is inside a long
 * native call: so it runs in a thread of its own. (Linux's parent-death signal cannot be set from JavaScript.)
 */
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { watchdogMs } from '../limits.ts';
import { leaseLostSignal } from './order.ts';

/** Plain JavaScript: it runs without the loader that the rest needs. */
const thread = `
const { workerData } = require('node:worker_threads');
const { readFileSync } = require('node:fs');
const { parentPid, leasePath, everyMs, leaseLostSignal } = workerData;
function end(signal) {
  try { process.kill(-process.pid, signal); } catch { process.kill(process.pid, signal); }
}
let lostAt;
setInterval(() => {
  if (process.ppid !== parentPid) end('SIGKILL');
  if (leasePath === undefined) return;
  let held = false;
  try { held = JSON.parse(readFileSync(leasePath, 'utf8')).expiresAt > Date.now(); } catch {}
  if (held) { lostAt = undefined; return; }
  // Seen twice: a look may fall on the moment of a rename on a network file system.
  if (lostAt === undefined) { lostAt = Date.now(); return; }
  end(Date.now() - lostAt > 4 * everyMs ? 'SIGKILL' : leaseLostSignal);
}, everyMs);
`;

export async function startWatchdog(parentPid: number, leasePath?: string): Promise<void> {
  const workerData = { parentPid, leasePath, everyMs: watchdogMs, leaseLostSignal };
  const worker = new Worker(thread, { eval: true, workerData, execArgv: [], name: 'watchdog' });
  worker.unref();
  await once(worker, 'online');
}
