/**
 * A network of containers' own, as Docker and Kubernetes give one: a bridge, an address for each container, names in a hosts
 * file. Nothing outside is reached from it, so what a process would fetch at run time is found out.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Processes that hold a network namespace each. */
interface Namespace {
  readonly pid: number;
  end(): void;
}

export class ContainerNetwork {
  /** What /etc/hosts is in every container; grows with each address that is given out. */
  readonly hostsFile: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'emloc-network-'));
  readonly #bridge: Namespace;
  readonly #namespaces: Namespace[] = [];
  readonly #hosts = new Map<string, string>([['localhost', '127.0.0.1']]);
  #count = 1;

  private constructor(bridge: Namespace) {
    this.#bridge = bridge;
    this.hostsFile = join(this.#directory, 'hosts');
    this.#writeHosts();
  }

  static async create(): Promise<ContainerNetwork> {
    const bridge = await namespace();
    inside(bridge, 'ip link add br0 type bridge && ip addr add 10.89.0.1/16 dev br0 && ip link set br0 up');
    return new ContainerNetwork(bridge);
  }

  /** A place in the network for one container, with an address of its own; names of it are known to all. */
  async join(names: readonly string[]): Promise<{ readonly pid: number; readonly address: string }> {
    const own = await namespace();
    this.#namespaces.push(own);
    this.#count += 1;
    const address = `10.89.${this.#count >> 8}.${this.#count & 255}`;
    const peer = `veth${this.#count}`;
    inside(
      this.#bridge,
      `ip link add ${peer} type veth peer name eth0 netns ${own.pid} && ip link set ${peer} master br0 up`,
    );
    inside(own, `ip addr add ${address}/16 dev eth0 && ip link set eth0 up`);
    for (const name of names) this.#hosts.set(name, address);
    this.#writeHosts();
    return { pid: own.pid, address };
  }

  close(): void {
    for (const own of this.#namespaces) own.end();
    this.#bridge.end();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #writeHosts(): void {
    // In place: the file is mounted into containers that run already.
    writeFileSync(this.hostsFile, [...this.#hosts].map(([name, address]) => `${address} ${name}\n`).join(''));
  }
}

async function namespace(): Promise<Namespace> {
  const script = 'ip link set lo up && echo up && exec sleep infinity';
  const child: ChildProcess = spawn('setpriv', ['--pdeathsig=KILL', 'unshare', '--net', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return { pid: child.pid!, end: () => child.kill('SIGKILL') };
}

function inside({ pid }: Namespace, script: string): void {
  execFileSync('nsenter', [`--target=${pid}`, '--net', 'sh', '-e', '-c', script], { stdio: 'pipe' });
}
