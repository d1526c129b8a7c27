/** A compose file as `docker compose config` reads it, and its services run as containers here. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Image } from '../docker/assemble.ts';
import type { Values } from '../docker/dockerfile.ts';
import { root, run, tools } from '../tools.ts';
import { type Container, type ContainerOptions, type Mount } from './container.ts';
import type { ContainerNetwork } from './network.ts';

export interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[] | null;
  readonly entrypoint?: readonly string[] | null;
  readonly environment?: Values;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly stop_grace_period?: string;
  readonly volumes?: readonly {
    readonly type: string;
    readonly source: string;
    readonly target: string;
    readonly read_only?: boolean;
  }[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly networks?: Readonly<Record<string, unknown>>;
  readonly ports?: readonly { readonly host_ip?: string; readonly published: string }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly deploy?: {
    readonly resources?: { readonly reservations?: { readonly devices?: readonly object[] } };
  };
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** Fails with what is wrong with the file. Variables of this process are not seen by it. */
export function readCompose(files: readonly string[], env: Values = {}): ComposeFile {
  const [compose = ''] = tools('docker-compose');
  const named = files.flatMap((file) => ['--file', join(root, 'deploy/docker', file)]);
  const { code, stdout, stderr } = run(compose, [...named, '--profile', '*', 'config', '--format', 'json'], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  });
  if (code !== 0) throw new Error(`docker compose config: ${stderr}`);
  return JSON.parse(stdout) as ComposeFile;
}

/** How a service's container is started here. Named volumes are directories in `volumes`. */
export function containerOf(
  file: ComposeFile,
  name: string,
  {
    image,
    network,
    volumes,
  }: { readonly image: Image; readonly network: ContainerNetwork; readonly volumes: string },
): ContainerOptions {
  const service = file.services[name];
  if (service === undefined) throw new RangeError(`no service ${name} in the compose file`);
  const [uid = '0', gid = uid] = (service.user ?? image.config.user).split(':');
  const mounts: Mount[] = (service.volumes ?? []).map(({ type, source, target, read_only }) => {
    const place = type === 'volume' ? join(volumes, source) : source;
    if (type === 'volume') {
      mkdirSync(place, { recursive: true });
      execFileSync('chown', [`${uid}:${gid}`, place]);
    }
    return { source: place, target, readOnly: read_only === true };
  });
  const secrets = (service.secrets ?? []).map(({ source, target }) => ({
    source: file.secrets[source]?.file ?? '',
    target,
    readOnly: true,
  }));
  return {
    image,
    network,
    names: [name],
    command: service.entrypoint ?? undefined,
    args: service.command ?? undefined,
    env: service.environment,
    user: `${uid}:${gid}`,
    mounts: [...mounts, ...secrets],
    tmpfs: (service.tmpfs ?? []).map((text) => text.split(':')[0] ?? ''),
  };
}

/** Until its health check says so, as compose waits for `service_healthy`. */
export async function untilHealthy(
  container: Container,
  argv: readonly string[],
  withinMs = 180_000,
): Promise<void> {
  const until = Date.now() + withinMs;
  for (;;) {
    const { code, output } = await container.exec(argv);
    if (code === 0) return;
    if (!container.running || Date.now() > until)
      throw new Error(`not healthy: ${output}\n${container.log.slice(-4000)}`);
    await wait(500);
  }
}
