/**
 * Compiles the programs: `node compile.mjs DRAFT DIRECTORY` writes into DRAFT what will lie in DIRECTORY. Modules of
 * this repository are joined, dependencies stay where they are installed, and `import.meta.url` stays the address of
 * the source file, so that what lies beside a source file is found from there.
 */
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { isProgram, repositoryRoot, sourceFiles } from './sources.mjs';

const [draft, directory] = process.argv.slice(2);

const dependencies = {
  name: 'dependencies',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (pluginData === dependencies || kind === 'entry-point' || path.startsWith('@emloc/'))
        return undefined;
      if (isBuiltin(path)) return { path, external: true };
      const found = await resolve(path, { kind, importer, resolveDir, pluginData: dependencies });
      return found.errors.length > 0 ? found : { path: found.path, external: true };
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
  define: { EMLOC_COMPILED_INTO: JSON.stringify(directory) },
  plugins: [dependencies, addresses],
  logLevel: 'error',
});
