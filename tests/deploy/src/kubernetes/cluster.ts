/**
 * A real kube-apiserver with etcd on loopback: it validates, defaults, stores and serves every object, and refuses changes
 * of what may not change. Nothing else of a cluster is there: no controllers, no scheduler, no nodes, so no pod runs.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { run, tools, type Ran } from '../tools.ts';

const token = 'of-the-test';
const startsWithinMs = 300_000;

export class Cluster {
  readonly url: string;
  readonly #directory: string;
  readonly #kubectl: string;
  readonly #helm: string;
  readonly #processes: readonly ChildProcess[];

  private constructor(
    url: string,
    directory: string,
    [kubectl = '', helm = '']: readonly string[],
    processes: ChildProcess[],
  ) {
    this.url = url;
    this.#directory = directory;
    this.#kubectl = kubectl;
    this.#helm = helm;
    this.#processes = processes;
  }

  /** With the CustomResourceDefinitions of what the chart can make use of. */
  static async start(): Promise<Cluster> {
    const [etcd = '', apiServer = '', kubectl = '', helm = '', crds = ''] = tools(
      'etcd',
      'kube-apiserver',
      'kubectl',
      'helm',
      'kubernetes-crds',
    );
    const directory = mkdtempSync(join(tmpdir(), 'emloc-cluster-'));
    const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
    const start = (command: string, args: readonly string[]): ChildProcess =>
      spawn(command, args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
    const store = start(etcd, etcdArguments(directory, etcdPort, peerPort));
    const server = start(apiServer, serverArguments(directory, etcdPort, port));
    const url = `https://127.0.0.1:${port}`;
    const cluster = new Cluster(url, directory, [kubectl, helm], [store, server]);
    try {
      await cluster.#ready();
      for (const file of readdirSync(crds))
        cluster.must(cluster.kubectl(['apply', '--server-side', '-f', join(crds, file)]));
      cluster.must(
        cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=120s']),
      );
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  kubectl(args: readonly string[], input?: string): Ran {
    const server = ['--server', this.url, '--token', token, '--insecure-skip-tls-verify'];
    const cache = ['--cache-dir', join(this.#directory, 'kubectl')];
    return run(this.#kubectl, [...server, ...cache, ...args], { input });
  }

  helm(args: readonly string[]): Ran {
    const server = ['--kube-apiserver', this.url, '--kube-token', token, '--kube-insecure-skip-tls-verify'];
    return run(this.#helm, [...args, ...server], { env: { ...process.env, HOME: this.#directory } });
  }

  /** Applied by the server, which refuses what it does not know. */
  apply(namespace: string, manifests: string): Ran {
    const args = ['apply', '--server-side', '--validate=strict', '--namespace', namespace, '-f', '-'];
    return this.kubectl(args, manifests);
  }

  /** One in which pods have to keep to the strictest of Kubernetes' own standards. */
  createNamespace(name: string): void {
    const labels = {
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/warn': 'restricted',
    };
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
    this.must(this.kubectl(['create', '-f', '-'], JSON.stringify(namespace)));
    // A controller's work elsewhere.
    this.must(this.kubectl(['create', 'serviceaccount', 'default', '--namespace', name]));
  }

  get<T>(path: string): T {
    return JSON.parse(this.must(this.kubectl(['get', '--raw', path]))) as T;
  }

  must({ code, stdout, stderr }: Ran): string {
    if (code === 0) return stdout;
    throw new Error(stderr);
  }

  async stop(): Promise<void> {
    for (const child of [...this.#processes].reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const said = this.#processes.map((child) => {
      const chunks: Buffer[] = [];
      child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
      return () => Buffer.concat(chunks).toString().slice(-2000);
    });
    const until = Date.now() + startsWithinMs;
    for (;;) {
      if (this.kubectl(['get', '--raw', '/readyz']).code === 0) return;
      const dead = this.#processes.findIndex((child) => child.exitCode !== null);
      if (dead >= 0 || Date.now() > until) throw new Error(said[Math.max(dead, 0)]?.());
      await wait(500);
    }
  }
}

const etcdArguments = (directory: string, port: number, peerPort: number): string[] => [
  `--data-dir=${join(directory, 'etcd')}`,
  `--listen-client-urls=http://127.0.0.1:${port}`,
  `--advertise-client-urls=http://127.0.0.1:${port}`,
  `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
  // Nothing here outlives the test.
  '--unsafe-no-fsync',
  '--log-level=error',
];

function serverArguments(directory: string, etcdPort: number, port: number): string[] {
  const key = join(directory, 'service-accounts.pem');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const tokens = join(directory, 'tokens.csv');
  writeFileSync(tokens, `${token},test,test,system:masters\n`, { mode: 0o600 });
  return [
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${join(directory, 'certificates')}`,
    `--token-auth-file=${tokens}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--endpoint-reconciler-type=none',
    '-v=0',
  ];
}
