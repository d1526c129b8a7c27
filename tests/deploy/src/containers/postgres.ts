/** PostgreSQL in a container: Debian's own, started as Docker's image of it starts one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { baseImage } from '../docker/base-images.ts';
import type { Image } from '../docker/assemble.ts';
import { Container, type Mount } from './container.ts';
import type { ContainerNetwork } from './network.ts';
import type { Values } from '../docker/dockerfile.ts';

const data = '/var/lib/postgresql/data';

/** What the entrypoint of Docker's image does with the POSTGRES_* variables that are used here. */
const script = `
if [ ! -s ${data}/PG_VERSION ]; then
  initdb --pgdata=${data} --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \\
    --no-locale --encoding=UTF8 --auth-local=trust --auth-host=scram-sha-256
  echo 'host all all all scram-sha-256' >> ${data}/pg_hba.conf
  if [ "$POSTGRES_DB" != postgres ]; then
    echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D ${data} postgres
  fi
fi
exec postgres -D ${data} -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off
`;

export interface PostgresOptions {
  readonly network: ContainerNetwork;
  readonly names: readonly string[];
  readonly env: Values;
  readonly mounts: readonly Mount[];
  /** Where its data is kept; made. */
  readonly directory: string;
}

export async function startPostgres(options: PostgresOptions): Promise<Container> {
  const root = baseImage('postgres:17');
  const user = ownerOf(root, 'postgres');
  mkdirSync(options.directory, { mode: 0o700, recursive: true });
  execFileSync('chown', [user, options.directory]);
  return Container.start({
    ...options,
    image: imageOf(root, user),
    command: ['/bin/sh', '-e', '-c', script],
    mounts: [...options.mounts, { source: options.directory, target: data }],
  });
}

const imageOf = (root: string, user: string): Image => ({
  root,
  config: {
    env: { PATH: '/usr/lib/postgresql/15/bin:/usr/bin:/bin', PGHOST: '/tmp' },
    labels: {},
    directory: '/',
    user,
    entrypoint: [],
    cmd: [],
    healthcheck: [],
    // As Docker's image: sessions are ended, data is written.
    stopSignal: 'SIGINT',
    ports: ['5432'],
    volumes: [data],
  },
});

function ownerOf(root: string, name: string): string {
  const line = readFileSync(join(root, 'etc/passwd'), 'utf8').match(
    new RegExp(`^${name}:x:(\\d+):(\\d+):`, 'm'),
  );
  if (line === null) throw new Error(`no user ${name} in ${root}`);
  return `${line[1]}:${line[2]}`;
}
