/**
 * Commands inside a root directory, as a build runs them: as its root user, with this machine's network. Certificates and
 * the configuration of package clients come in as Docker's build secrets do, and do not stay.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Secret, Values } from './dockerfile.ts';

const certificates = '/etc/ssl/certs/ca-certificates.crt';

/** What `docker build --secret id=…` would be given on this machine. */
const secretFiles: Readonly<Record<string, readonly string[]>> = {
  pip: ['/etc/pip.conf', join(homedir(), '.config/pip/pip.conf'), join(homedir(), '.pip/pip.conf')],
  npm: [join(homedir(), '.npmrc')],
};

export interface BuildCommand {
  readonly root: string;
  readonly script: string;
  readonly directory: string;
  readonly env: Values;
  readonly secrets?: readonly Secret[];
}

/** Throws with what was printed where the script fails. */
export function runInRoot({ root, script, directory, env, secrets = [] }: BuildCommand): void {
  const mounts = mountsOf(secrets);
  const placeholders = mounts.map(({ target }) => join(root, target)).filter((path) => !existsSync(path));
  const binds = mounts.flatMap(({ source, target }) => ['--ro-bind', source, target]);
  const settings = { PATH: path, HOME: '/tmp', ...certificateSettings(), ...env };
  const args = [
    ...['--bind', root, '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/run', '--cap-add', 'ALL'],
    ...['--ro-bind', '/etc/resolv.conf', '/etc/resolv.conf'],
    ...(existsSync(certificates) ? ['--ro-bind', certificates, '/run/certificates.pem'] : []),
    ...binds,
    ...['--unshare-pid', '--die-with-parent', '--clearenv'],
    ...Object.entries(settings).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', directory, '/bin/sh', '-e', '-c', script],
  ];
  try {
    const { status, stdout, stderr } = spawnSync('bwrap', args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
    if (status !== 0) throw new Error(`failed (${status}): ${script}\n${tail(stdout)}\n${tail(stderr)}`);
  } finally {
    // Mounting made an empty file where there was none.
    for (const path of placeholders) if (statSync(path, { throwIfNoEntry: false })?.size === 0) rmSync(path);
  }
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const tail = (text: string): string => text.slice(-4000);

function mountsOf(secrets: readonly Secret[]): { readonly source: string; readonly target: string }[] {
  return secrets.flatMap(({ id, target }) => {
    const source = (secretFiles[id] ?? []).find((file) => existsSync(file));
    return source === undefined ? [] : [{ source, target }];
  });
}

/** An authority that this machine trusts, for the clients that bring a list of their own. */
function certificateSettings(): Values {
  if (!existsSync(certificates)) return {};
  const file = '/run/certificates.pem';
  return { SSL_CERT_FILE: file, PIP_CERT: file, NODE_EXTRA_CA_CERTS: file };
}
