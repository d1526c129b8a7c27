/** Finding pip and running it, its failures turned into errors that say what to do. */
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { EmlocError } from '@emloc/errors';

export interface Pip {
  readonly command: string;
  readonly prefix: readonly string[];
  readonly version: string;
}

const answerTimeoutMs = 30_000;
const lastLines = 40;

/** Python's commands to try: only the user's choice where there is one. */
export const pythonCommands = (env: NodeJS.ProcessEnv = process.env): string[] =>
  env.EMLOC_PYTHON ? [env.EMLOC_PYTHON] : ['python3', 'python'];

/** EMLOC_PYTHON's pip, else that of python3, python, or pip itself. */
export async function findPip(env: NodeJS.ProcessEnv = process.env): Promise<Pip> {
  const modules = pythonCommands(env).map((command) => ({ command, prefix: ['-m', 'pip'] }));
  const bare = env.EMLOC_PYTHON ? [] : ['pip3', 'pip'].map((command) => ({ command, prefix: [] }));
  for (const pip of [...modules, ...bare]) {
    const version = await versionOf(pip, env);
    if (version !== undefined) return { ...pip, version };
  }
  throw new EmlocError(
    'FAILED_PRECONDITION',
    'PIP_NOT_FOUND',
    env.EMLOC_PYTHON ? `${env.EMLOC_PYTHON} -m pip does not run` : 'no Python with pip was found',
    {
      field: env.EMLOC_PYTHON ? 'EMLOC_PYTHON' : 'pip',
      value: env.EMLOC_PYTHON,
      mend: 'install Python 3 with pip (Debian: apt-get install python3-pip), or set EMLOC_PYTHON to one that has it',
    },
  );
}

/** From `pip 25.0 from …`; undefined where it does not run. */
const versionOf = (
  { command, prefix }: Pick<Pip, 'command' | 'prefix'>,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> =>
  new Promise((resolve) => {
    execFile(command, [...prefix, '--version'], { env, timeout: answerTimeoutMs }, (error, stdout) =>
      resolve(error ? undefined : /^pip (\S+)/.exec(stdout)?.[1]),
    );
  });

export interface RunPipOptions {
  readonly requirement: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string) => void;
}

export async function runPip(pip: Pip, args: readonly string[], options: RunPipOptions): Promise<void> {
  const child = spawn(pip.command, [...pip.prefix, ...args], {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
  });
  // Not left running when this process ends before it.
  const stop = (): boolean => child.kill();
  process.once('exit', stop);
  const said: string[] = [];
  const listen = (stream: NodeJS.ReadableStream): void => {
    createInterface({ input: stream }).on('line', (line) => {
      said.push(line);
      if (said.length > lastLines) said.shift();
      options.onLine?.(line);
    });
  };
  listen(child.stdout);
  listen(child.stderr);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  })
    .catch((error: unknown) => {
      if (options.signal?.aborted) return null;
      throw EmlocError.from(error);
    })
    .finally(() => process.off('exit', stop));
  if (options.signal?.aborted) {
    throw new EmlocError('CANCELLED', 'CANCELLED', `fetching ${options.requirement} was cancelled`);
  }
  if (code !== 0) throw pipFailure(options.requirement, said.join('\n'));
}

/** What pip's last words mean. */
export function pipFailure(requirement: string, said: string): EmlocError {
  const lines = said.trim().split('\n');
  const telling = lines.filter((line) => /error/i.test(line)).at(-1) ?? lines.at(-1) ?? '';
  const detail =
    telling
      .trim()
      .replace(/^ERROR:\s*/, '')
      .slice(0, 300) || 'it said nothing';
  const details = { field: 'pip', value: requirement, metadata: { output: said.slice(-2000) } };
  if (/No space left on device|Errno 28|ENOSPC/.test(said)) {
    return new EmlocError('RESOURCE_EXHAUSTED', 'DISK_FULL', `no space left on the disk for ${requirement}`, {
      ...details,
      mend: 'free some space, or set EMLOC_CACHE to a directory on another disk',
    });
  }
  if (isOffline(said)) {
    return new EmlocError(
      'UNAVAILABLE',
      'PACKAGE_INDEX_UNREACHABLE',
      `the package index was not reached for ${requirement}: ${detail}`,
      {
        ...details,
        mend: `check the network and pip's settings (pip config list), then run the command again`,
      },
    );
  }
  if (findsNone(said)) {
    return new EmlocError(
      'NOT_FOUND',
      'PACKAGE_NOT_FOUND',
      `the package index has no ${requirement} for this machine`,
      {
        ...details,
        mend: `see with "pip download ${requirement}" which versions there are`,
      },
    );
  }
  return new EmlocError('UNAVAILABLE', 'PIP_FAILED', `pip could not fetch ${requirement}: ${detail}`, {
    ...details,
    mend: `run "pip download ${requirement}" to see what is wrong`,
  });
}

const findsNone = (said: string): boolean =>
  /No matching distribution found|Could not find a version/.test(said);

/** pip ends with "no matching distribution" also where it reached no index. */
const isOffline = (said: string): boolean =>
  /Retrying \(Retry|NewConnectionError|ConnectionError|NameResolutionError|Temporary failure in name resolution|Name or service not known|Connection (refused|reset)|timed out|ReadTimeout|ProxyError|SSLError|Network is unreachable/.test(
    said,
  );
