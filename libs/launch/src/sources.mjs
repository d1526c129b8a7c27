/** What is compiled, and the digest that tells whether it is what was compiled before. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');

const groups = ['libs', 'services', 'clients'];

/** Programs lie in services and clients, and are called main, worker or …-main. */
export const isProgram = (path) => /^(services|clients)\/.*\/(main|worker|[a-z-]+-main)\.ts$/.test(path);

/** Source files by their path in the repository, tests left out. */
export function sourceFiles(root = repositoryRoot) {
  const projects = groups.flatMap((group) =>
    listed(join(root, group)).map((entry) => join(root, group, entry.name)),
  );
  return projects.flatMap((project) => {
    const description = join(project, 'package.json');
    const sources = existsSync(description) ? [description, ...filesUnder(join(project, 'src'))] : [];
    return sources.map((path) => relative(root, path));
  });
}

/**
 * Of every file's name, size and time (in whole seconds, as images and archives keep them), and of the installed
 * dependencies. Some 10 ms.
 */
export function sourceDigest(root = repositoryRoot) {
  const hash = createHash('sha256').update(`${root}\n`);
  const dependencies = join('node_modules', '.package-lock.json');
  for (const path of [...sourceFiles(root), dependencies]) {
    const file = statSync(join(root, path), { throwIfNoEntry: false });
    hash.update(`${path} ${file?.size} ${Math.floor((file?.mtimeMs ?? 0) / 1000)}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

function filesUnder(directory) {
  return listed(directory).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === 'testing' ? [] : filesUnder(path);
    return /\.(ts|mts|mjs|json)$/.test(entry.name) && !entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

function listed(directory) {
  try {
    return readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}
