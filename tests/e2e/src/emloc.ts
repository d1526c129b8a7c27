/** Runs the command line as a user does: a process of its own, and an EMLOC_HOME of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = fileURLToPath(new URL('../../../', import.meta.url));
export const fixturesDirectory = join(repositoryRoot, 'tests', 'fixtures');
export const tinyLlama = join(fixturesDirectory, 'tiny-llama');
const bin = join(repositoryRoot, 'clients', 'cli', 'bin', 'emloc.mjs');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Outcome>;
  stdout(): string;
  stderr(): string;
}

/** A folder with a home in it; `dispose` checks that no process of it is left, then takes it away. */
export class Workplace {
  readonly directory = mkdtempSync(join(tmpdir(), 'emloc-e2e-'));
  readonly home = join(this.directory, 'home');

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  start(...args: string[]): Running {
    return this.#start(args, 'ignore');
  }

  /** Runs it with a text on its standard input. */
  feed(text: string, ...args: string[]): Promise<Outcome> {
    const { child, done } = this.#start(args, 'pipe');
    child.stdin?.end(text);
    return done;
  }

  #start(args: readonly string[], stdin: 'ignore' | 'pipe'): Running {
    const child: ChildProcess = spawn(process.execPath, [bin, ...args], {
      cwd: this.directory,
      env: { ...process.env, EMLOC_HOME: this.home },
      stdio: [stdin, 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    const done = new Promise<Outcome>((resolve) =>
      child.on('close', (code) => resolve({ code, stdout, stderr })),
    );
    return { child, done, stdout: () => stdout, stderr: () => stderr };
  }

  run(...args: string[]): Promise<Outcome> {
    return this.start(...args).done;
  }

  /** A command that has to work. */
  async succeed(...args: string[]): Promise<Outcome> {
    const outcome = await this.run(...args);
    if (outcome.code === 0) return outcome;
    throw new Error(`emloc ${args.join(' ')} ended with ${outcome.code}:\n${outcome.stderr}`);
  }

  /** The same, its result parsed. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    return JSON.parse((await this.succeed(...args, '--json')).stdout) as T;
  }

  /** A mesh that stays until the function that comes back is called: commands in between need no start of their own. */
  async up(): Promise<() => Promise<void>> {
    const running = this.start('up');
    await until(running, () => running.stdout().includes('grpcurl'));
    return async () => {
      running.child.kill('SIGINT');
      await running.done;
    };
  }

  /** Processes that were started under this home, by process id; whoever started them. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => environmentOf(pid).split('\0').includes(`EMLOC_HOME=${this.home}`))
      .map(Number);
  }

  /** The process at work on an operation: its order names it. */
  workerOf(operationId: string): number | undefined {
    return this.processes().find((pid) => environmentOf(pid).includes(`"id":"${operationId}"`));
  }

  /** Resolves when no process is left; the test that waits has the time limit. */
  async quiet(withinMs = 60_000): Promise<void> {
    const until = Date.now() + withinMs;
    while (this.processes().length > 0) {
      if (Date.now() > until) throw new Error(`left running: ${this.processes().join(', ')}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async dispose(): Promise<void> {
    try {
      await this.quiet();
    } finally {
      for (const pid of this.processes()) process.kill(pid, 'SIGKILL');
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

/** As it was started; '' where the process is gone or another user's. */
function environmentOf(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

/** Until `condition` holds, or the process has ended, or the time is up. */
export async function until(running: Running, condition: () => boolean, withinMs = 240_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!condition()) {
    if (running.child.exitCode !== null)
      throw new Error(`ended early (${running.child.exitCode}):\n${running.stderr()}`);
    if (Date.now() > end) throw new Error(`waited in vain:\n${running.stdout()}\n${running.stderr()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
