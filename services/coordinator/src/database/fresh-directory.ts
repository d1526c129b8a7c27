/**
 * A new directory for the embedded database appears whole or not at all. Making one takes seconds, copying one does not:
 * the first that is made on a machine is kept in the cache as a template.
 */
import { constants, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { cacheDirectory } from '@emloc/downloads';

export async function ensureDatabaseDirectory(directory: string): Promise<void> {
  if (existsSync(directory)) return;
  const unfinished = `${directory}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  const template = await templateDirectory();
  if (template === undefined) await make(unfinished);
  else cpSync(template, unfinished, { recursive: true, mode: constants.COPYFILE_FICLONE });
  renameSync(unfinished, directory);
}

/** Undefined where the cache cannot be written. */
async function templateDirectory(): Promise<string | undefined> {
  const template = join(cacheDirectory(), `pglite-${version()}`);
  if (existsSync(template)) return template;
  const mine = `${template}.${process.pid}`;
  try {
    mkdirSync(dirname(mine), { recursive: true });
    await make(mine);
    renameSync(mine, template);
  } catch {
    // Another coordinator may have been first; or the disk is full, which the copy will tell.
    rmSync(mine, { recursive: true, force: true });
  }
  return existsSync(template) ? template : undefined;
}

async function make(directory: string): Promise<void> {
  const database = await PGlite.create(directory);
  await database.close();
}

function version(): string {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const path = join(dirname(entry), '..', 'package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
