/** Finding pip and running it, its failures turned into errors that say what to do. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { EmlocError } from '@emloc/errors';

export interface Pip {
  readonly command: string;
  readonly prefix: readonly string[];
}

const lastLines = 20;

/** EMLOC_PYTHON's pip, else that of python3, python, or pip itself. */
export async function findPip(env: NodeJS.ProcessEnv = process.env): Promise<Pip> {
  const modules = (env.EMLOC_PYTHON ? [env.EMLOC_PYTHON] : ['python3', 'python']).map((command) => ({
    command,
    prefix: ['-m', 'pip'],
  }));
  const bare = env.EMLOC_PYTHON ? [] : ['pip3', 'pip'].map((command) => ({ command, prefix: [] }));
  for (const pip of [...modules, ...bare]) {
    if (await answers(pip, env)) return pip;
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

const answers = (pip: Pip, env: NodeJS.ProcessEnv): Promise<boolean> =>
  new Promise((resolve) => {
    const child = spawn(pip.command, [...pip.prefix, '--version'], { env, stdio: 'ignore' });
    child.on('error', () => resolve(false));
    child.on('close', (code) => resolve(code === 0));
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
  }).catch((error: unknown) => {
    if (options.signal?.aborted) return null;
    throw EmlocError.from(error);
  });
  if (options.signal?.aborted) {
    throw new EmlocError('CANCELLED', 'CANCELLED', `fetching ${options.requirement} was cancelled`);
  }
  if (code !== 0) throw pipFailure(options.requirement, said.join('\n'));
}

/** What pip's last words mean. */
export function pipFailure(requirement: string, said: string): EmlocError {
  const details = { field: 'pip', value: requirement, metadata: { output: said.slice(-2000) } };
  if (/No space left on device|ENOSPC/.test(said)) {
    return new EmlocError('RESOURCE_EXHAUSTED', 'DISK_FULL', `no space left on the disk for ${requirement}`, {
      ...details,
      mend: 'free some space, or set EMLOC_CACHE to a folder on another disk',
    });
  }
  const offline =
    /NewConnectionError|ConnectionError|NameResolutionError|Temporary failure in name resolution|Name or service not known|Connection (refused|reset)|timed out|ReadTimeout|ProxyError|SSLError|Network is unreachable/;
  if (offline.test(said)) {
    return new EmlocError(
      'UNAVAILABLE',
      'PACKAGE_INDEX_UNREACHABLE',
      `the package index was not reached for ${requirement}`,
      {
        ...details,
        mend: `check the network and pip's settings (pip config list), then run the command again`,
      },
    );
  }
  if (/No matching distribution found|Could not find a version/.test(said)) {
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
  const last = said.trim().split('\n').at(-1) ?? 'it said nothing';
  return new EmlocError('UNAVAILABLE', 'PIP_FAILED', `pip could not fetch ${requirement}: ${last}`, {
    ...details,
    mend: `run "pip download ${requirement}" to see what is wrong`,
  });
}
