/** Runs a command's work: signals, errors and exit codes are decided here and nowhere else. */
import { EmlocError } from '@emloc/errors';
import type { CommandContext } from './context.ts';
import { exitCode } from './exit-codes.ts';
import { Interrupted } from './interrupted.ts';
import { emlocHome } from './mesh/home.ts';
import { Output, type Streams } from './output/output.ts';
import { UsageError } from './usage-error.ts';

export interface Surroundings {
  readonly args?: readonly string[];
  readonly streams: Streams;
  readonly environment: NodeJS.ProcessEnv;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A second Ctrl-C waits so long for the processes to be killed, no longer. */
const killWithinMs = 3_000;

/** The work as a whole program: what it throws is printed, and told as an exit code. */
export async function runWork(
  surroundings: Surroundings,
  work: (context: CommandContext) => Promise<void>,
  json = false,
): Promise<number> {
  try {
    await withContext(surroundings, json, work);
    return exitCode.ok;
  } catch (thrown) {
    return report(surroundings, json, thrown);
  }
}

/** Prints an error and says which exit code it means. */
export function report({ streams, environment }: Surroundings, json: boolean, thrown: unknown): number {
  const error = EmlocError.from(thrown);
  new Output({ json, streams, environment }).error(error);
  if (environment['EMLOC_DEBUG']) streams.stderr.write(`${stackOf(thrown)}\n`);
  return codeOf(error);
}

/** The first signal asks the work to pause and clean up; the second kills what was started and ends this process. */
export async function withContext(
  { args = [], streams, environment }: Surroundings,
  json: boolean,
  work: (context: CommandContext) => Promise<void>,
): Promise<void> {
  const output = new Output({ json, streams, environment });
  const controller = new AbortController();
  const kills = new Set<() => Promise<void>>();
  const onSignal = (): void => {
    if (!controller.signal.aborted) {
      output.note('interrupted: pausing and ending what was started (again: at once)');
      return controller.abort(new Interrupted());
    }
    const done = (): never => process.exit(exitCode.interrupted);
    void Promise.allSettled([...kills].map((kill) => kill())).then(done);
    setTimeout(done, killWithinMs);
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    await work({
      output,
      environment,
      args,
      home: emlocHome(environment),
      stdin: streams.stdin ?? process.stdin,
      stderr: streams.stderr,
      signal: controller.signal,
      onKill: (kill) => {
        kills.add(kill);
        return () => void kills.delete(kill);
      },
    });
  } catch (error) {
    output.endProgress();
    if (controller.signal.aborted && !(error instanceof Interrupted) && isCancel(error))
      throw new Interrupted();
    throw error;
  } finally {
    output.endProgress();
    for (const signal of signals) process.off(signal, onSignal);
  }
}

const isCancel = (thrown: unknown): boolean =>
  (thrown instanceof EmlocError && thrown.code === 'CANCELLED') ||
  (thrown as Error | undefined)?.name === 'AbortError';

function codeOf(error: EmlocError): number {
  if (error instanceof Interrupted) return exitCode.interrupted;
  return error instanceof UsageError ? exitCode.usage : exitCode.failure;
}

const stackOf = (thrown: unknown): string => {
  const error = thrown as Error & { cause?: unknown };
  return `${error.stack}${error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`}`;
};
