/** A mesh of real service processes for one test file: its own home, its own ports, gone when the file is done. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { programArguments } from '@emloc/launch';
import { connect, serviceNames, type Connection, type ServiceName } from '@emloc/mesh';

export const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const readyMs = 90_000;
const stopMs = 150_000;

export const fixture = join(repository, 'tests/fixtures/tiny-llama');

export class TestMesh {
  readonly home = mkdtempSync(join(tmpdir(), 'emloc-contract-'));
  readonly traceDir = join(this.home, 'traces');
  readonly #env: NodeJS.ProcessEnv;
  readonly #processes = new Map<ServiceName, ChildProcess>();
  readonly #addresses = new Map<ServiceName, string>();
  readonly #replicas: ChildProcess[] = [];
  readonly #connections: Connection<object>[] = [];
  #log = '';

  private constructor(env: NodeJS.ProcessEnv) {
    this.#env = {
      ...process.env,
      EMLOC_HOME: this.home,
      EMLOC_MODEL_ROOTS: [fixture, this.home].join(':'),
      EMLOC_LOG_LEVEL: 'warn',
      EMLOC_LOG_FORMAT: 'json',
      EMLOC_TRACE_FILE: this.traceDir,
      ...env,
    };
  }

  /** The coordinator, where it is among them, is started last: it is told the addresses of the others. */
  static async start(
    names: readonly ServiceName[] = serviceNames,
    env: NodeJS.ProcessEnv = {},
  ): Promise<TestMesh> {
    const mesh = new TestMesh(env);
    const after = (name: ServiceName): number => ({ calibration: 0, coordinator: 2 })[name as string] ?? 1;
    try {
      for (const rank of [0, 1, 2]) {
        await Promise.all(
          names.filter((name) => after(name) === rank).map((name) => mesh.startService(name)),
        );
      }
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** Starts it, or starts it again where it was. */
  async startService(name: ServiceName): Promise<void> {
    const child = this.#spawn(name);
    this.#processes.set(name, child);
    this.#addresses.set(name, await this.#ready(name, child));
  }

  /** One more of a service that is there already; tells its address. */
  async startReplica(name: ServiceName, env: NodeJS.ProcessEnv = {}): Promise<string> {
    const child = this.#spawn(name, { [variable(name)]: '127.0.0.1:0', ...env });
    this.#replicas.push(child);
    return this.#ready(name, child);
  }

  #spawn(name: ServiceName, env: NodeJS.ProcessEnv = {}): ChildProcess {
    const known = [...this.#addresses].map(([other, address]) => [variable(other), address]);
    const child = spawn(
      process.execPath,
      programArguments(join(repository, `services/${name}/src/main.ts`)),
      {
        cwd: repository,
        env: { ...this.#env, [variable(name)]: '127.0.0.1:0', ...Object.fromEntries(known), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    child.stderr?.on('data', (text: Buffer) => (this.#log += text.toString()));
    return child;
  }

  address(name: ServiceName): string {
    const address = this.#addresses.get(name);
    if (address === undefined) throw new RangeError(`${name} was not started`);
    return address;
  }

  client<T extends object>(name: ServiceName, packageName: string, service: string): Connection<T> {
    const connection = connect<T>({ address: this.address(name), package: packageName, service });
    this.#connections.push(connection as Connection<object>);
    return connection;
  }

  /** Kills the service's own process; what it had started ends by itself. */
  async kill(name: ServiceName): Promise<void> {
    await this.#end(name, 'SIGKILL');
  }

  /** As an orchestrator stops it; tells how it ended. */
  async stopService(name: ServiceName): Promise<Ended | undefined> {
    return this.#end(name, 'SIGTERM');
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.close();
    const all = [...this.#processes.values(), ...this.#replicas];
    await Promise.all(all.map((child) => end(child, 'SIGTERM')));
    rmSync(this.home, { recursive: true, force: true });
  }

  /** The words of all services, for a failed test. */
  get log(): string {
    return this.#log;
  }

  /** The processes that work on operations now, by the operation's id (from its lease). */
  workerPid(operationId: string): number | undefined {
    const directory = join(this.home, 'state', 'operations', operationId);
    const leases = readdirSync(directory).filter((file) => /^lease-\d+$/.test(file));
    const latest = leases.sort((a, b) => Number(b.slice(6)) - Number(a.slice(6)))[0];
    if (latest === undefined) return undefined;
    return (JSON.parse(readFileSync(join(directory, latest), 'utf8')) as { workerPid?: number }).workerPid;
  }

  #ready(name: ServiceName, child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => reject(new Error(`${name} ${what}\n${this.#log}`));
      const timer = setTimeout(() => fail('did not come up'), readyMs);
      child.once('exit', (code) => {
        clearTimeout(timer);
        fail(`ended with ${code}`);
      });
      createInterface(child.stdout!).on('line', (line) => {
        const said = JSON.parse(line) as { ready: boolean; address: string };
        clearTimeout(timer);
        resolve(said.address);
      });
    });
  }

  async #end(name: ServiceName, signal: NodeJS.Signals): Promise<Ended | undefined> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    return child && end(child, signal);
  }
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<Ended> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await gone;
    clearTimeout(timer);
  }
  return { code: child.exitCode, signal: child.signalCode };
}

const variable = (name: ServiceName): string => `EMLOC_${name.toUpperCase()}_ADDRESS`;
