/**
 * One service of the local mesh as a process: started in a group of its own (a Ctrl-C in the terminal must not reach it
 * before the job is paused), its words in a log, restarted where it dies, ended by signal.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { EmlocError } from '@emloc/errors';
import { programArguments } from '@emloc/launch';
import { LogFile } from './log-file.ts';
import type { ServiceName } from './services.ts';

const repositoryRoot = fileURLToPath(new URL('../../../../', import.meta.url));
/** The first start makes the database; a busy machine takes its time. */
const readyWithinMs = 120_000;
const drainMs = 12_000;
/** A service that dies again and again is left dead: its callers see UNAVAILABLE, its log says why. */
const mostRestarts = 5;
const restartAfterMs = 500;

export interface ServiceSettings {
  readonly name: ServiceName;
  readonly logs: string;
  readonly environment: NodeJS.ProcessEnv;
}

export class ServiceProcess {
  readonly name: ServiceName;
  readonly logFile: string;
  readonly #settings: ServiceSettings;
  readonly #log: LogFile;
  #child: ChildProcess | undefined;
  #address: string | undefined;
  #restarts = 0;
  #stopping = false;

  constructor(settings: ServiceSettings) {
    this.name = settings.name;
    this.#settings = settings;
    this.logFile = join(settings.logs, `${settings.name}.log`);
    this.#log = new LogFile(this.logFile);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process and waits for the line that says where it listens. */
  async start(signal?: AbortSignal): Promise<string> {
    const child = this.#spawn();
    this.#address = await this.#readyLine(child, signal);
    return this.#address;
  }

  /** Drains, then kills. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#end('SIGTERM');
    this.#log.close();
  }

  /** At once. */
  kill(): void {
    this.#stopping = true;
    signalGroup(this.#child, 'SIGKILL');
  }

  #spawn(): ChildProcess {
    const main = join(repositoryRoot, 'services', this.name, 'src', 'main.ts');
    const preload = fileURLToPath(new URL('./end-with-parent.mjs', import.meta.url));
    const child = spawn(process.execPath, programArguments(main, ['--import', preload]), {
      cwd: repositoryRoot,
      detached: true,
      env: {
        ...this.#settings.environment,
        // One for a container of its own: six services here would want the same port.
        EMLOC_LISTEN_ADDRESS: undefined,
        EMLOC_HEALTH_ADDRESS: undefined,
        [addressVariable(this.name)]: this.#address ?? '127.0.0.1:0',
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.stderr?.on('data', (chunk: Buffer) => this.#log.write(chunk));
    child.once('exit', (code, by) => this.#exited(code, by));
    child.once('error', (error) => this.#log.write(`could not start: ${error.message}\n`));
    return child;
  }

  /** A service that is up and dies is started again where it was; one that never came up is its starter's to report. */
  #exited(code: number | null, by: NodeJS.Signals | null): void {
    if (this.#stopping || this.#address === undefined) return;
    this.#log.write(
      `${this.name} ended (${by ?? `exit code ${code}`}), restart ${this.#restarts + 1} of ${mostRestarts}\n`,
    );
    if (this.#restarts >= mostRestarts) return;
    this.#restarts += 1;
    setTimeout(() => {
      if (this.#stopping) return;
      this.#readyLine(this.#spawn()).catch((error: unknown) =>
        this.#log.write(`${EmlocError.from(error).describe()}\n`),
      );
    }, restartAfterMs * this.#restarts);
  }

  #readyLine(child: ChildProcess, signal?: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle(() => reject(this.#notReady('did not come up in time'))),
        readyWithinMs,
      );
      const onClose = (code: number | null): void =>
        settle(() => reject(this.#notReady(`ended with exit code ${code}`, this.#lastWords())));
      const onAbort = (): void =>
        settle(() => reject(new EmlocError('CANCELLED', 'CANCELLED', 'the start was interrupted')));
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        child.off('close', onClose);
        signal?.removeEventListener('abort', onAbort);
        end();
      };
      child.once('close', onClose);
      if (signal?.aborted) onAbort();
      signal?.addEventListener('abort', onAbort);
      if (child.stdout === null) return;
      createInterface(child.stdout).on('line', (line) => {
        this.#log.write(`${line}\n`);
        const address = readyAddress(line);
        if (address !== undefined) settle(() => resolve(address));
      });
    });
  }

  #notReady(what: string, words = ''): EmlocError {
    return new EmlocError('UNAVAILABLE', 'SERVICE_NOT_STARTED', `the ${this.name} service ${what}${words}`, {
      mend: `see ${this.logFile}`,
    });
  }

  #lastWords(): string {
    const words = this.#log.lastWords();
    return words === '' ? '' : `:\n${words}\n`;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    signalGroup(child, signal);
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), drainMs);
    await gone;
    clearTimeout(timer);
  }
}

/** EMLOC_TRAINING_ADDRESS: where a service listens, and where the others find it. */
export const addressVariable = (name: ServiceName): string => `EMLOC_${name.toUpperCase()}_ADDRESS`;

function signalGroup(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

function readyAddress(line: string): string | undefined {
  try {
    const said = JSON.parse(line) as { ready?: unknown; address?: unknown };
    return said.ready !== undefined && typeof said.address === 'string' ? said.address : undefined;
  } catch {
    return undefined;
  }
}
