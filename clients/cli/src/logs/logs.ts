/** `emloc logs`: lines of several files, and of a job's events, in the order of time. */
import { existsSync } from 'node:fs';
import { loadConfig } from '@emloc/mesh';
import type { LogsOptions } from '../commands/logs.ts';
import type { CommandContext } from '../context.ts';
import type { Output } from '../output/output.ts';
import { withSession } from '../session/session.ts';
import { UsageError } from '../usage-error.ts';
import { JobLog } from './job-log.ts';
import type { LogLine } from './log-line.ts';
import { serviceSources } from './source.ts';

const pollMs = 250;

export async function logs(context: CommandContext, options: LogsOptions): Promise<void> {
  const { job, server, service } = options;
  if (server !== undefined && job === undefined)
    throw new UsageError('MISSING_OPTION', '--job is not given: services keep their logs where they run', {
      field: '--job',
      mend: 'give --job ID for what a job did, or read the logs on the machines of that mesh',
    });
  if (server !== undefined && service !== undefined)
    throw new UsageError('CONFLICTING_OPTIONS', '--service reads files, which --server does not have', {
      field: '--service',
      mend: 'leave one of them out',
    });
  return job === undefined ? ofServices(context, options) : ofJob(context, job, options);
}

async function ofServices(context: CommandContext, options: LogsOptions): Promise<void> {
  const { output, home } = context;
  const sources = serviceSources(home.logs, options.service);
  await printAll(context, options, () =>
    Promise.resolve({ lines: sources.flatMap((source) => source.read()), goesOn: true }),
  );
  if (!sources.some(({ path }) => existsSync(path)))
    output.note(
      `nothing is logged in ${home.logs} yet: emloc up, or any command that uses a mesh, begins it`,
    );
}

async function ofJob(context: CommandContext, id: string, options: LogsOptions): Promise<void> {
  const { home, environment } = context;
  const { stateDir } = loadConfig({ ...environment, EMLOC_HOME: home.directory });
  const files =
    options.server === undefined ? { stateDir, logs: home.logs, service: options.service } : undefined;
  await withSession(context, options, async ({ connections }) => {
    const log = new JobLog({ jobs: await connections.jobs(), id, files });
    await printAll(context, options, () => log.read());
  });
}

/** The last lines of what there is; with `--follow` then all that comes. */
async function printAll(
  { output, signal }: CommandContext,
  { lines: most, follow }: LogsOptions,
  read: () => Promise<{ readonly lines: readonly LogLine[]; readonly goesOn: boolean }>,
): Promise<void> {
  let { lines, goesOn } = await read();
  print(output, inTime(lines).slice(-most));
  while (follow && goesOn && (await passes(pollMs, signal))) {
    ({ lines, goesOn } = await read());
    print(output, inTime(lines));
  }
}

/** Stable: lines of one file stay in their order. */
const inTime = (lines: readonly LogLine[]): LogLine[] => [...lines].sort((a, b) => a.timeMs - b.timeMs);

const colourOf: Readonly<Record<string, number>> = { warn: 33, error: 31, fatal: 31, debug: 90, trace: 90 };

/** `2026-11-27 10:25:33 INFO  training: listening address=127.0.0.1:7602`, times in UTC. */
function print(output: Output, lines: readonly LogLine[]): void {
  for (const { timeMs, source, level, text, object } of lines) {
    output.resultLine({ service: source, ...object }, () => {
      const time =
        timeMs === 0 ? '-'.repeat(19) : new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ');
      const label = (level ?? 'out').toUpperCase().padEnd(5);
      return `${time} ${output.tint(colourOf[level ?? ''], label)} ${source}: ${text}`;
    });
  }
}

/** Resolves to false where the signal comes meanwhile. */
function passes(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const stop = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve(true);
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
