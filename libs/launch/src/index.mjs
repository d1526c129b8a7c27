/**
 * How a program of this repository is started. Node spends more time on finding and translating some 500 TypeScript
 * modules one by one than a service then takes to listen, so programs are compiled together, once, and kept beside the
 * dependencies under a digest of the sources. Plain JavaScript: it runs before anything can read TypeScript.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compiledHere } from './compiled-here.mjs';
import { buildDirectory } from './build-directory.mjs';
import { repositoryRoot } from './sources.mjs';

export function programArguments(program, options = []) {
  const path = pathOf(program);
  if (!path.endsWith('.ts')) return [...options, path];
  const compiled = compiledFile(path);
  if (compiled !== undefined) return [...options, '--enable-source-maps', compiled];
  return [...options, '--enable-source-maps', '--import', tsx('tsx'), path];
}

export async function runProgram(program) {
  const path = pathOf(program);
  const compiled = compiledFile(path);
  if (compiled !== undefined) {
    process.setSourceMapsEnabled(true);
    await import(pathToFileURL(compiled).href);
    return;
  }
  const { register } = await import(tsx('tsx/esm/api'));
  register();
  await import(pathToFileURL(path).href);
}

/** Undefined where nothing can be compiled here, or the file is no program that is. */
function compiledFile(path) {
  const directory = compiledHere() ?? buildDirectory();
  if (directory === undefined) return undefined;
  const within = relative(repositoryRoot, path);
  if (within.startsWith(`..${sep}`)) return undefined;
  const file = join(directory, within.replace(/\.ts$/, '.mjs'));
  return existsSync(file) ? file : undefined;
}

const pathOf = (program) =>
  typeof program === 'string' && !program.startsWith('file:') ? program : fileURLToPath(program);

const tsx = (specifier) => pathToFileURL(createRequire(import.meta.url).resolve(specifier)).href;
