/**
 * Compiles the programs: `node compile.mjs DRAFT DIRECTORY` writes into DRAFT what will lie in DIRECTORY. Modules of
 * this repository are joined, dependencies but OpenTelemetry stay where they are installed, and `import.meta.url` stays
 * the address of the source file, so that what lies beside a source file is found from there.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { isProgram, repositoryRoot, sourceFiles } from './sources.mjs';

const [draft, directory] = process.argv.slice(2);

/** Hundreds of small modules of plain JavaScript, of which a process needs few: found one by one they take it 0.1 s. */
const isJoined = (path) => path.startsWith('@opentelemetry/');

/** Their packages hold the same modules for `import`, of which what is not used can be left out. */
function asModule(path) {
  const module = path.replace('/build/src/', '/build/esm/');
  return existsSync(module) ? module : path;
}

/** What is no ES module has no names when it is joined and imported by `import()`: that would fail when it is run. */
function joined(path, kind) {
  const isModule = path.endsWith('.mjs') || path.includes('/build/esm/');
  if (kind !== 'dynamic-import' || isModule) return { path, sideEffects: false };
  return { errors: [{ text: `${path} has to be imported by name, from a module of its own` }] };
}

const dependencies = {
  name: 'dependencies',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (pluginData === dependencies || kind === 'entry-point' || path.startsWith('@emloc/'))
        return undefined;
      if (isBuiltin(path)) return { path, external: true };
      const found = await resolve(path, { kind, importer, resolveDir, pluginData: dependencies });
      if (found.errors.length > 0) return found;
      if (isJoined(path)) return joined(asModule(found.path), kind);
      return { path: found.path, external: true };
    });
  },
};

const addresses = {
  name: 'addresses',
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|mjs)$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const contents = text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href));
      return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' };
    });
  },
};

await build({
  absWorkingDir: repositoryRoot,
  entryPoints: sourceFiles().filter(isProgram),
  outbase: repositoryRoot,
  outdir: join(draft),
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  conditions: [],
  mainFields: ['main'],
  sourcemap: true,
  sourcesContent: false,
  // For modules that are joined and call `require`.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  define: { EMLOC_COMPILED_INTO: JSON.stringify(directory) },
  plugins: [dependencies, addresses],
  logLevel: 'error',
});
