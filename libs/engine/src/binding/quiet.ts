/**
 * Keeps TensorFlow's notes from stderr while it is loaded: it writes them before it reads its own settings. Errors
 * among them are passed on.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { libc } from './libc.ts';

const STDERR = 2;

export function quietly<T>(work: () => T): T {
  if (process.env.EMLOC_DEBUG || Number(process.env.TF_CPP_MIN_LOG_LEVEL ?? '2') < 2) return work();
  let directory: string;
  try {
    directory = mkdtempSync(join(tmpdir(), 'emloc-'));
  } catch {
    return work();
  }
  const path = join(directory, 'stderr');
  const fd = openSync(path, 'w');
  const before = libc.dup(STDERR);
  try {
    libc.dup2(fd, STDERR);
    return work();
  } finally {
    libc.dup2(before, STDERR);
    closeSync(before);
    closeSync(fd);
    const errors = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => /^[EF]\d{4} |^\d{4}-\d\d-\d\d .*: [EF] /.test(line));
    if (errors.length > 0) process.stderr.write(`${errors.join('\n')}\n`);
    rmSync(directory, { recursive: true, force: true });
  }
}
