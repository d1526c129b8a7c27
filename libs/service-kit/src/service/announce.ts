/** Says where a service listens: one line of JSON on stdout (logs go to stderr), and a file where one is asked for. */
import { renameSync, writeFileSync } from 'node:fs';

export function announceReady(service: string, address: string, readyFile: string | undefined): void {
  const line = `${JSON.stringify({ ready: true, service, address, pid: process.pid })}\n`;
  process.stdout.write(line);
  if (readyFile === undefined) return;
  // Whoever waits for the file must not read half of it.
  writeFileSync(`${readyFile}.${process.pid}`, line);
  renameSync(`${readyFile}.${process.pid}`, readyFile);
}
