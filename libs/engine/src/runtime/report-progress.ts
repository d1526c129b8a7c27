/** Progress of a fetch for people, on stderr: one line that is rewritten on a terminal, a few lines elsewhere. */
import type { RuntimeProgress } from './fetch.ts';

const LINE_EVERY_MS = 5_000;
const REWRITE_EVERY_MS = 200;

export function progressOnStderr(
  out: NodeJS.WriteStream = process.stderr,
): (progress: RuntimeProgress) => void {
  let lastMs = 0;
  let lastPhase = '';
  return (progress) => {
    const now = Date.now();
    const phase = `${progress.phase} ${progress.package}`;
    if (phase === lastPhase && now - lastMs < (out.isTTY ? REWRITE_EVERY_MS : LINE_EVERY_MS)) return;
    const next = lastPhase !== '' && phase !== lastPhase ? '\n' : '\r\x1b[K';
    out.write(out.isTTY ? `${lastPhase === '' ? '' : next}${describe(progress)}` : `${describe(progress)}\n`);
    lastMs = now;
    lastPhase = phase;
  };
}

export function describe({ phase, package: name, doneBytes, totalBytes }: RuntimeProgress): string {
  if (phase === 'waiting') return `emloc: another process is fetching ${name}, waiting for it`;
  const verb = phase === 'downloading' ? 'fetching' : 'unpacking';
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  if (totalBytes === undefined)
    return `emloc: ${verb} ${name}${doneBytes > 0 ? ` ${megabytes(doneBytes)}` : ''}`;
  const share = Math.min(100, Math.round((100 * doneBytes) / totalBytes));
  return `emloc: ${verb} ${name} ${megabytes(Math.min(doneBytes, totalBytes))} of ${megabytes(totalBytes)} (${share} %)`;
}
