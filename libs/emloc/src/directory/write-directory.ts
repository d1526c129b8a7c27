/** Output directories appear whole or not at all: written beside their place under another name, then renamed. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { EmlocError } from '@emloc/errors';

export interface WriteOptions {
  /** Replace what is there. Without it a directory that is not empty is refused. */
  readonly overwrite?: boolean;
  /** The option's name in errors. */
  readonly field?: string;
}

/** Refuses an output place that may not be written, before any work is done. */
export function assertWritable(
  out: string,
  { overwrite = false, field = 'output' }: WriteOptions = {},
): void {
  const stat = statSync(out, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    throw new EmlocError('ALREADY_EXISTS', 'OUTPUT_EXISTS', `${out} is a file`, {
      field,
      value: out,
      mend: 'choose another output directory',
    });
  }
  if (!overwrite && readdirSync(out).length > 0) {
    throw new EmlocError('ALREADY_EXISTS', 'OUTPUT_EXISTS', `${out} exists and is not empty`, {
      field,
      value: out,
      mend: 'choose another output directory or allow overwriting',
    });
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
  const unique = randomBytes(4).toString('hex');
  const beside = (kind: string) => join(dirname(place), `.${basename(place)}.${kind}-${unique}`);
  const temporary = beside('partial');
  try {
    mkdirSync(temporary, { recursive: true });
    const result = await write(temporary);
    swapIn(temporary, place, beside('old'));
    return result;
  } catch (error) {
    throw EmlocError.from(error);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function swapIn(from: string, place: string, old: string): void {
  const exists = statSync(place, { throwIfNoEntry: false }) !== undefined;
  if (exists) renameSync(place, old);
  try {
    renameSync(from, place);
  } catch (error) {
    if (exists) renameSync(old, place);
    throw error;
  }
  if (exists) rmSync(old, { recursive: true, force: true });
}
