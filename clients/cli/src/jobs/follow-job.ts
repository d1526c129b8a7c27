/** Follows a fine-tuning job to its end (or pause), showing what it does. */
import { EmlocError } from '@emloc/errors';
import { resumeStream } from '@emloc/mesh';
import type { CommandContext } from '../context.ts';
import { showEvent } from '../operations/show-event.ts';
import { formatBytes, formatSeconds } from '../output/format.ts';
import type { Output } from '../output/output.ts';
import type { FineTuneJobClient, FineTuneJobEvent, JobStage, JobState } from '../wire/job.ts';

/** A stage stops between layers or steps. */
const stopsWithinMs = 90_000;

export interface FollowOptions {
  readonly id: string;
  readonly fromCursor?: number;
  /** What Ctrl-C does: pause the job and follow it until it stands, or leave it alone and stop looking. */
  readonly onInterrupt: 'pause' | 'leave';
  readonly onEvent?: (event: FineTuneJobEvent) => void;
}

/** The event that ended it; undefined where the user stopped looking. */
export async function followJob(
  { output, signal }: CommandContext,
  jobs: FineTuneJobClient,
  { id, fromCursor = 0, onInterrupt, onEvent }: FollowOptions,
): Promise<NonNullable<FineTuneJobEvent['stateChanged']> | undefined> {
  const giveUp = new AbortController();
  const stop = (): void => {
    if (onInterrupt === 'leave') return giveUp.abort();
    jobs.pauseFineTuneJob({ id }).catch((error: unknown) => giveUp.abort(error));
    setTimeout(() => giveUp.abort(), stopsWithinMs).unref();
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const events = resumeStream({
      open: (cursor, stopped) => jobs.watchFineTuneJob({ id, afterCursor: cursor }, { signal: stopped }),
      cursorOf: ({ event }) => event.cursor,
      from: fromCursor,
      signal: giveUp.signal,
    });
    for await (const { event } of events) {
      onEvent?.(event);
      showJobEvent(output, event);
      if (event.stateChanged && hasStopped(event.stateChanged.state)) return event.stateChanged;
    }
  } catch (error) {
    if (onInterrupt === 'leave' && signal.aborted) return undefined;
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  throw new EmlocError('UNAVAILABLE', 'WATCH_ENDED', `the events of job ${id} ended before it did`);
}

const endStates: ReadonlySet<JobState> = new Set([
  'JOB_STATE_SUCCEEDED',
  'JOB_STATE_FAILED',
  'JOB_STATE_CANCELLED',
  'JOB_STATE_PAUSED',
]);

/** Ended or paused: nothing happens to it any more by itself. */
export const hasStopped = (state: JobState): boolean => endStates.has(state);

/** What a stage does that says nothing until it is done: minutes, with a large data file. */
const silentWork: Readonly<Record<string, string | undefined>> = { plan: 'makes tokens of every row' };

function showJobEvent(output: Output, event: FineTuneJobEvent): void {
  if (event.stageEvent) return showEvent(output, event.stageEvent.event, event.stageEvent.stage);
  const stage = event.stageChanged;
  if (!stage) return;
  if (stage.state === 'JOB_STATE_RUNNING')
    return output.progress({ stage: stage.name, note: silentWork[stage.name] });
  const done = stageLine(stage);
  if (done !== undefined) output.note(done);
}

/** `train: 42s, peak 310 MB` when a stage ends. */
function stageLine({ name, state, usage, note }: JobStage): string | undefined {
  const also = note === '' ? '' : `; ${note}`;
  if (state === 'JOB_STATE_SKIPPED') return `${name}: left out${also}`;
  if (state !== 'JOB_STATE_SUCCEEDED') return undefined;
  const figures =
    usage === null
      ? 'done'
      : `${formatSeconds(usage.wallSeconds)}, peak ${formatBytes(usage.peakResidentBytes)}`;
  return `${name}: ${figures}${also}`;
}
