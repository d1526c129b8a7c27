/**
 * A recipe is a file in recipes/ that says what a tool is and how it is made:
 *
 *   export default {
 *     version: '1.2.3',            // pinned; another version is another directory
 *     file: 'bin/tool',            // what callers want the path of, inside the tool's directory
 *     needs: ['go'],               // commands without which it cannot be made
 *     make: async ({ directory, run, say }) => { … }   // fills the directory
 *   };
 *
 * Tools are kept in EMLOC_CACHE (else XDG_CACHE_HOME/emloc, else ~/.cache/emloc) under tools/NAME-VERSION. A tool is made
 * in a directory beside and renamed, so that what is there is whole; two processes do not make one at once.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runAtEase } from './run.mjs';
import { withLock } from './lock.mjs';

const recipes = fileURLToPath(new URL('recipes/', import.meta.url));

/** Names of all tools, sorted. */
export function recipeNames() {
  return readdirSync(recipes)
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => file.slice(0, -'.mjs'.length))
    .sort();
}

export async function versionOf(name) {
  return (await recipeOf(name)).version;
}

/** The path of the tool's file; the tool is made if it is not there yet. */
export async function toolPath(name) {
  const recipe = await recipeOf(name);
  const parent = join(cacheDirectory(), 'tools');
  const directory = join(parent, `${name}-${recipe.version}`);
  const path = join(directory, recipe.file);
  if (existsSync(path)) return path;
  const missing = (recipe.needs ?? []).filter((command) => !isOnPath(command));
  if (missing.length > 0) throw new Error(`${name} cannot be made: ${missing.join(', ')} not on the PATH`);
  mkdirSync(parent, { recursive: true });
  await withLock(`toolbox:${directory}`, say(name), async () => {
    if (!existsSync(path)) await make(name, recipe, { parent, directory });
  });
  return path;
}

async function recipeOf(name) {
  if (!recipeNames().includes(name)) {
    throw new Error(`there is no tool ${name} (there are: ${recipeNames().join(', ')})`);
  }
  return (await import(new URL(`recipes/${name}.mjs`, import.meta.url))).default;
}

async function make(name, recipe, { parent, directory }) {
  const startedMs = Date.now();
  say(name)(`making version ${recipe.version}`);
  const unfinished = mkdtempSync(join(parent, `.${name}-`));
  try {
    const run = (command, args, options) =>
      runAtEase(command, args, { cwd: unfinished, say: say(name), ...options });
    await recipe.make({ directory: unfinished, run, say: say(name) });
    if (!existsSync(join(unfinished, recipe.file)))
      throw new Error(`${name}: its recipe left no ${recipe.file}`);
    // What is there without its file is not a tool.
    rmSync(directory, { recursive: true, force: true });
    renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  say(name)(`made in ${Math.round((Date.now() - startedMs) / 1000)}s`);
}

const say = (name) => (text) => console.error(`toolbox: ${name}: ${text}`);

function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}

function cacheDirectory(env = process.env) {
  if (env.EMLOC_CACHE) return resolve(env.EMLOC_CACHE);
  return join(env.XDG_CACHE_HOME ? resolve(env.XDG_CACHE_HOME) : join(homedir(), '.cache'), 'emloc');
}
