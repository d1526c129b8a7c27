/** Servers that a test starts: their words in a file, ended with the test, known to be up by a page that answers. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Background {
  stop(): Promise<void>;
}

export interface BackgroundOptions {
  readonly log: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Answers once it is up. */
  readonly upAt: string;
}

/** A busy machine takes minutes to start a Java server. */
const upWithinMs = 300_000;

export async function startInBackground(
  command: string,
  args: readonly string[],
  { log, cwd, env, upAt }: BackgroundOptions,
): Promise<Background> {
  const output = openSync(log, 'w');
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const background = { stop: () => stop(child) };
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`${command} ended:\n${readFileSync(log, 'utf8')}`);
      return answers(upAt);
    }, `${command} is up`);
    return background;
  } catch (error) {
    await background.stop();
    throw error;
  }
}

/** Looks twice a second until `condition` gives something that is true, and gives that. */
export async function until<T>(
  condition: () => Promise<T | undefined | false>,
  what: string,
  withinMs = upWithinMs,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await sleep(500);
  }
}

export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    (response) => response.status < 500,
    () => false,
  );

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}
