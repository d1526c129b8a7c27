/**
 * Where results go. Refused before any work where something is there already; written beside the place first, then put
 * there in one step, so that nothing half-written is ever found.
 */
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, parse, resolve } from 'node:path';
import { EmlocError } from '@emloc/errors';

export interface OutputPlace {
  readonly path: string;
  readonly kind: 'file' | 'directory';
  readonly overwrite: boolean;
  readonly option: string;
}

export interface OutputOptions {
  readonly kind: 'file' | 'directory';
  readonly overwrite?: boolean;
  readonly option?: string;
}

/** What a directory that emloc wrote holds; nothing else is replaced, whatever `--overwrite` says. */
const ours = ['adapter_config.json', 'config.json', 'emloc.json', 'report.json'];

export function checkOutput(typed: string, options: OutputOptions): OutputPlace {
  const place = { option: '--output', overwrite: false, ...options, path: resolve(typed) };
  assertWritable(typed, place);
  const found = lstatSync(place.path, { throwIfNoEntry: false });
  if (found === undefined) return place;
  const refuse = (reason: string, message: string, mend: string): EmlocError =>
    new EmlocError('ALREADY_EXISTS', reason, `${typed} ${message}`, {
      field: place.option,
      value: typed,
      mend,
    });
  if (found.isDirectory() !== (place.kind === 'directory')) {
    throw refuse(
      'OUTPUT_OF_OTHER_KIND',
      `is ${found.isDirectory() ? 'a directory' : 'a file'}`,
      `name a ${place.kind}`,
    );
  }
  if (place.kind === 'file') {
    if (place.overwrite) return place;
    throw refuse('OUTPUT_EXISTS', 'exists already', 'choose another file, or give --overwrite');
  }
  const entries = readdirSync(place.path);
  if (entries.length === 0) return place;
  if (!place.overwrite)
    throw refuse('OUTPUT_NOT_EMPTY', 'is not empty', 'choose another directory, or give --overwrite');
  if (parse(place.path).root === place.path || !entries.some((entry) => ours.includes(entry))) {
    throw refuse(
      'OUTPUT_NOT_OURS',
      'holds something that emloc did not write',
      'choose another directory, or empty it',
    );
  }
  return place;
}

/** Tried, not asked: rights, a disk that is read-only or full, and a file where a folder should be all show here. */
function assertWritable(typed: string, { path, option }: OutputPlace): void {
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  try {
    rmdirSync(mkdtempSync(join(folder, '.emloc-')));
  } catch (error) {
    const { code, message, mend } = EmlocError.from(error);
    throw new EmlocError(code, 'OUTPUT_NOT_WRITABLE', `${typed} cannot be written: ${message}`, {
      field: option,
      value: typed,
      mend: mend ?? 'choose a place that can be written to',
      cause: error,
    });
  }
}

/** Lets `write` fill a fresh place beside the output, then moves it there; takes it away where that fails. */
export async function writeOutput<T>(place: OutputPlace, write: (draft: string) => Promise<T>): Promise<T> {
  const parent = dirname(place.path);
  const draft = `${place.path}.partial-${process.pid}`;
  try {
    await mkdir(parent, { recursive: true });
    if (place.kind === 'directory') await mkdir(draft);
    const made = await write(draft);
    await putInPlace(draft, place);
    return made;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

async function putInPlace(draft: string, place: OutputPlace): Promise<void> {
  if (place.kind === 'file') return rename(draft, place.path);
  if (!existsSync(place.path)) return rename(draft, place.path);
  // Checked again: something may have come since the work began.
  checkOutput(place.path, place);
  const old = join(dirname(place.path), `.${process.pid}-replaced`);
  await rename(place.path, old);
  await rename(draft, place.path);
  await rm(old, { recursive: true, force: true });
}
