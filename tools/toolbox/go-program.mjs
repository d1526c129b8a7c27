/**
 * Recipes of programs in Go: built inside a main module of their own, which `go install MODULE@VERSION` cannot do where the
 * program's module replaces others. Versions follow from the pinned one (minimal version selection), sums from the
 * checksum database.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {object} program
 * @param {string} program.module
 * @param {string} program.version without its v
 * @param {string} [program.package] path of the main package; default the module
 * @param {string} program.file what the program is called
 * @param {(version: string) => string[]} [program.ldflags]
 */
export function goProgram({ module, version, package: main = module, file, ldflags = () => [] }) {
  return {
    version,
    file,
    needs: ['go'],
    make: async ({ directory, run }) => {
      const found = JSON.parse(await run('go', ['mod', 'download', '-json', `${module}@v${version}`]));
      writeFileSync(
        join(directory, 'go.mod'),
        mainModule(module, version, readFileSync(found.GoMod, 'utf8')),
      );
      const flags = ['-s', '-w', ...ldflags(version)].join(' ');
      await run('go', ['build', '-mod=mod', '-ldflags', flags, '-o', file, main], {
        env: { GOFLAGS: '-buildvcs=false', GOWORK: 'off' },
      });
      for (const name of ['go.mod', 'go.sum']) rmSync(join(directory, name), { force: true });
    },
  };
}

/**
 * Kubernetes replaces its libraries by folders beside it, which a module's archive does not hold, and publishes each under
 * the same minor version: those of 1.36.3 are v0.36.3.
 */
function mainModule(module, version, theirs) {
  const beside = [...theirs.matchAll(/^\s*(?:replace\s+)?(\S+) => \.\S*$/gm)].map((match) => match[1]);
  const published = `v${version.replace(/^1\./, '0.')}`;
  return [
    'module toolbox',
    theirs.match(/^go .*$/m)?.[0] ?? 'go 1.24',
    `require ${module} v${version}`,
    ...(module === 'k8s.io/kubernetes' ? beside : []).map(
      (path) => `replace ${path} => ${path} ${published}`,
    ),
  ].join('\n');
}
