/** Output directories appear whole or not at all: written beside their place under another name, then renamed. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { EmlocError } from '@emloc/errors';

export interface WriteOptions {
  /** Replace what is there. Without it a directory that is not empty is refused; a file always is. */
  readonly overwrite?: boolean;
  /** The option's name in errors. */
  readonly field?: string;
}

/** Refuses an output place that may not be written, before any work is done. An empty directory is as good as none. */
export function assertWritable(
  out: string,
  { overwrite = false, field = 'output' }: WriteOptions = {},
): void {
  const refuse = (what: string, mend: string): EmlocError =>
    new EmlocError('ALREADY_EXISTS', 'OUTPUT_EXISTS', `${out} ${what}`, { field, value: out, mend });
  const found = look(out);
  if (found === undefined) return;
  if (!found.isDirectory()) throw refuse('is a file', 'choose another output directory');
  if (!overwrite && entriesOf(out) > 0) {
    throw refuse('exists and is not empty', 'choose another directory, or allow overwriting (--overwrite)');
  }
}

/** Calls `write` with a fresh directory beside `out` and puts it in its place; nothing is left if it throws. */
export async function writeDirectory<T>(
  out: string,
  options: WriteOptions,
  write: (directory: string) => T | Promise<T>,
): Promise<T> {
  assertWritable(out, options);
  const place = resolve(out);
  const unique = randomUUID().slice(0, 8);
  const beside = (kind: string): string => join(dirname(place), `.${basename(place)}.${kind}-${unique}`);
  const temporary = beside('partial');
  try {
    mkdirSync(temporary, { recursive: true });
    const result = await write(temporary);
    // Writing takes minutes: something may have come there since.
    assertWritable(out, options);
    swapIn(temporary, place, beside('old'));
    return result;
  } catch (error) {
    throw EmlocError.from(error);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** What was at `place` is back there if the swap fails. */
function swapIn(from: string, place: string, old: string): void {
  const exists = look(place) !== undefined;
  if (exists) renameSync(place, old);
  try {
    renameSync(from, place);
  } catch (error) {
    if (exists) renameSync(old, place);
    throw error;
  }
  if (exists) rmSync(old, { recursive: true, force: true });
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw EmlocError.from(error);
  }
}

function entriesOf(directory: string): number {
  try {
    return readdirSync(directory).length;
  } catch (error) {
    throw EmlocError.from(error);
  }
}
