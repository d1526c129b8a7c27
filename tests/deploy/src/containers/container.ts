/**
 * A process in the file system of an image, as an orchestrator with a strict policy runs it: a user without rights and
 * without capabilities, a root that is read-only, process ids and a network of its own; what is mounted is all it may write.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Values } from '../docker/dockerfile.ts';
import type { Image } from '../docker/assemble.ts';
import type { ContainerNetwork } from './network.ts';

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly?: boolean;
}

export interface ContainerOptions {
  readonly image: Image;
  readonly network: ContainerNetwork;
  /** By which other containers find this one. */
  readonly names: readonly string[];
  /** In place of the image's entrypoint and arguments. */
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Values;
  readonly mounts?: readonly Mount[];
  /** Directories in memory, empty at the start; nothing else but the mounts can be written. */
  readonly tmpfs?: readonly string[];
  /** `UID:GID`, in place of the image's. */
  readonly user?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Container {
  readonly address: string;
  /** Until it has ended. */
  readonly ended: Promise<Ended>;
  readonly #options: ContainerOptions;
  readonly #child: ChildProcess;
  /** Whose network it has. */
  readonly #pid: number;
  readonly #uid: string;
  readonly #gid: string;
  readonly #env: Values;
  /** Of its first process, as this machine numbers it. */
  readonly #first: Promise<number>;
  #stdout = '';
  #log = '';

  private constructor(options: ContainerOptions, place: { readonly pid: number; readonly address: string }) {
    this.#options = options;
    this.address = place.address;
    this.#pid = place.pid;
    const { image, command, args, env = {}, user = image.config.user } = options;
    const [uid = '0', gid = uid] = user.split(':');
    [this.#uid, this.#gid] = [uid, gid];
    this.#env = { ...image.config.env, ...env };
    // A command in place of the entrypoint does without the image's arguments, as with Docker.
    const own = command === undefined ? image.config.cmd : [];
    this.#child = this.#spawn([...(command ?? image.config.entrypoint), ...(args ?? own)]);
    this.ended = endOf(this.#child);
    this.#first = firstProcess(this.#child);
    this.#child.stdout?.on('data', (text: Buffer) => (this.#stdout += text.toString()));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (text: Buffer) => (this.#log += text.toString()));
  }

  static async start(options: ContainerOptions): Promise<Container> {
    return new Container(options, await options.network.join(options.names));
  }

  /** Everything that it printed so far. */
  get log(): string {
    return this.#log;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** A command beside it, as a probe runs one: same files, same network, same user. */
  async exec(argv: readonly string[]): Promise<Ended & { readonly output: string }> {
    const target = `--target=${await this.#first}`;
    const namespaces = ['--user', '--mount', '--pid', '--net', '--ipc', '--uts'];
    const identity = [`--setuid=${this.#uid}`, `--setgid=${this.#gid}`];
    const child = spawn('nsenter', [target, ...namespaces, ...identity, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#env,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (output += text.toString()));
    return { ...(await endOf(child)), output };
  }

  /** As an orchestrator ends it: the signal to its first process, the kill after the grace. */
  async stop(graceMs = 120_000): Promise<Ended> {
    if (this.running) {
      process.kill(await this.#first, this.#options.image.config.stopSignal as NodeJS.Signals);
      const timer = setTimeout(() => this.kill(), graceMs);
      await this.ended;
      clearTimeout(timer);
    }
    return this.ended;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #spawn(argv: readonly string[]): ChildProcess {
    const identity = [`--reuid=${this.#uid}`, `--regid=${this.#gid}`, '--clear-groups', '--no-new-privs'];
    const script = ['mount -t tmpfs -o mode=755 tmpfs /mnt', ...this.#layer(), 'exec "$@"'].join('\n');
    const place = [`--target=${this.#pid}`, '--net', 'unshare', '--mount', '--propagation=private'];
    const shown = ['sh', '-e', '-c', script, 'sh', 'setpriv', ...identity];
    return spawn('nsenter', [...place, ...shown, ...this.#bwrap(), ...argv], {
      // The fourth tells the first process of the container, which signals and probes are for.
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
  }

  get #mounts(): readonly Mount[] {
    return this.#options.mounts ?? [];
  }

  /**
   * Commands that lay the root out, in mounts of this process only: the image under a layer of its own, in which there are
   * places for what is mounted, as container runtimes make them; and that, as it may lie where the user cannot look.
   */
  #layer(): string[] {
    const { image, network, tmpfs = ['/tmp'] } = this.#options;
    const binds = [{ source: network.hostsFile, target: '/etc/hosts' }, ...this.#mounts];
    const layers = `lowerdir=${image.root},upperdir=/mnt/upper,workdir=/mnt/work`;
    return [
      `mkdir /mnt/upper /mnt/work ${root} && mount -t overlay -o ${quoted(layers)} overlay ${root}`,
      ...tmpfs.map((target) => `mkdir -p ${quoted(root + target)}`),
      ...binds.flatMap(({ source, target }, i) => {
        const make = (path: string): string =>
          statSync(source).isDirectory()
            ? `mkdir -p ${quoted(path)}`
            : `mkdir -p ${quoted(dirname(path))} && touch ${quoted(path)}`;
        return [make(root + target), `${make(placeOf(i))} && mount --bind ${quoted(source)} ${placeOf(i)}`];
      }),
    ];
  }

  /** As an unprivileged user: namespaces of its own, in which it has no capability either. */
  #bwrap(): string[] {
    const { image, names, tmpfs = ['/tmp'] } = this.#options;
    const devices = ['/dev/nvidia0', '/dev/nvidiactl', '/dev/nvidia-uvm'].filter((path) => existsSync(path));
    return [
      'bwrap',
      ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
      ...['--hostname', names[0] ?? 'container', '--die-with-parent', '--as-pid-1', '--info-fd', '3'],
      ...['--ro-bind', root, '/', '--proc', '/proc', '--dev', '/dev'],
      ...devices.flatMap((path) => ['--dev-bind', path, path]),
      ...tmpfs.flatMap((path) => ['--tmpfs', path]),
      ...this.#mounts.flatMap(({ target, readOnly }, i) => [
        readOnly === true ? '--ro-bind' : '--bind',
        placeOf(i + 1),
        target,
      ]),
      ...['--ro-bind', placeOf(0), '/etc/hosts'],
      ...['--clearenv', ...Object.entries(this.#env).flatMap(([name, value]) => ['--setenv', name, value])],
      ...['--chdir', image.config.directory, '--'],
    ];
  }
}

const root = '/mnt/root';
const placeOf = (index: number): string => `/mnt/${index}`;
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const endOf = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });

function firstProcess(child: ChildProcess): Promise<number> {
  let said = '';
  return new Promise((resolve) => {
    child.stdio[3]?.on('data', (text: Buffer) => {
      said += text.toString();
      const pid = /"child-pid":\s*(\d+)/.exec(said)?.[1];
      if (pid !== undefined) resolve(Number(pid));
    });
  });
}
