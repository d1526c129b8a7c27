/** `emloc jobs …`: what the coordinator knows of jobs, and what may be done to one. */
import { checkOutput } from '../checks/output.ts';
import type { JobsOptions, ListOptions, ResumeOptions } from '../commands/jobs.ts';
import type { CommandContext } from '../context.ts';
import { forgetRun, recallPlaces } from '../operations/remembered-runs.ts';
import { pairs, table } from '../output/table.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';
import { withSession } from '../session/session.ts';
import type { FineTuneJob } from '../wire/job.ts';
import { followJob, hasStopped } from './follow-job.ts';
import { isoTime, jobObject, stateName } from './job-object.ts';
import { watchCurve } from './watch-curve.ts';
import { finishJob, stageTable, type JobPlaces } from './job-result.ts';

export async function listJobs(context: CommandContext, options: ListOptions): Promise<void> {
  await withSession(context, options, async ({ connections }) => {
    const { jobs } = await (
      await connections.jobs()
    ).listFineTuneJobs({ pageSize: Math.min(options.limit, 500) });
    context.output.result({ jobs: jobs.map(jobObject) }, () =>
      jobs.length === 0
        ? 'no jobs'
        : table(
            [{ title: 'job' }, { title: 'state' }, { title: 'created' }, { title: 'stage' }],
            jobs.map((job) => [
              job.id,
              stateName(job.status.state),
              isoTime(job.createTime),
              currentStage(job),
            ]),
          ),
    );
  });
}

export async function getJob(context: CommandContext, id: string, options: JobsOptions): Promise<void> {
  await withSession(context, options, async ({ connections }) => {
    const { job } = await (await connections.jobs()).getFineTuneJob({ id });
    printJob(context, job);
  });
}

/** Every event as a line of its own with `--json`; else as `finetune` shows them, on a terminal below a curve of the losses. */
export async function watchJob(context: CommandContext, id: string, options: JobsOptions): Promise<void> {
  await withSession(context, options, async ({ connections }) => {
    const jobs = await connections.jobs();
    const { output } = context;
    const curve = options.json ? undefined : watchCurve(context);
    const onEvent = curve?.take ?? ((event: object) => output.resultLine(event, () => ''));
    const end = await followJob(context, jobs, { id, onInterrupt: 'leave', onEvent });
    if (end === undefined || curve === undefined) return;
    output.endProgress();
    for (const line of curve.lines()) output.note(line);
    printJob(context, (await jobs.getFineTuneJob({ id })).job);
  });
}

export async function cancelJob(context: CommandContext, id: string, options: JobsOptions): Promise<void> {
  await withSession(context, options, async ({ connections }) => {
    const jobs = await connections.jobs();
    const { state, cursor } = (await jobs.getFineTuneJob({ id })).job.status;
    if (hasStopped(state)) {
      context.output.note(`job ${id} does not run (${stateName(state)}): there is nothing to cancel`);
    } else {
      await jobs.cancelFineTuneJob({ id });
      await followJob(context, jobs, { id, fromCursor: cursor, onInterrupt: 'leave' });
    }
    printJob(context, (await jobs.getFineTuneJob({ id })).job);
  });
}

/** Goes on to the end, and puts the result where the job was to put it. */
export async function resumeJob(context: CommandContext, id: string, options: ResumeOptions): Promise<void> {
  const places = placesOf(context, id, options);
  if (options.server === undefined) await prepareRuntime(context.output);
  await withSession(context, options, async (session) => {
    const jobs = await session.connections.jobs();
    const before = (await jobs.getFineTuneJob({ id })).job;
    await jobs.resumeFineTuneJob({ id });
    // A job that has ended well does not go on: its end is read again, and its files are fetched.
    const fromCursor = before.status.state === 'JOB_STATE_SUCCEEDED' ? 0 : before.status.cursor;
    const end = await followJob(context, jobs, { id, fromCursor, onInterrupt: 'pause' });
    if (end !== undefined) await finishJob(context, session, id, end, places);
    if (places.output !== undefined) forgetRun(context.home, places.output.path);
    else
      context.output.note(
        `the files are still in the store: emloc jobs resume ${id} --output DIR puts them there`,
      );
  });
}

/** As told, else as `emloc finetune` was told. */
function placesOf(context: CommandContext, id: string, options: ResumeOptions): JobPlaces {
  const { overwrite } = options;
  const known = recallPlaces(context.home, id);
  const output = options.output ?? known?.output;
  const log = options.log ?? known?.log;
  return {
    output: output === undefined ? undefined : checkOutput(output, { kind: 'directory', overwrite }),
    log: log === undefined ? undefined : checkOutput(log, { kind: 'file', overwrite, option: '--log' }),
  };
}

export async function deleteJob(context: CommandContext, id: string, options: JobsOptions): Promise<void> {
  await withSession(context, options, async ({ connections }) => {
    await (await connections.jobs()).deleteFineTuneJob({ id });
    context.output.result({ deleted: id }, () => `deleted ${id}`);
  });
}

function printJob(context: CommandContext, job: FineTuneJob): void {
  context.output.result(jobObject(job), () =>
    [
      pairs([
        ['job', job.id],
        ['state', stateName(job.status.state)],
        ['created', isoTime(job.createTime)],
        ['updated', isoTime(job.status.updateTime)],
        ...(job.status.result === null ? [] : ([['chosen', job.status.result.chosen]] as const)),
        ...(job.status.error === null ? [] : ([['error', job.status.error.message]] as const)),
      ]),
      stageTable(job.status.stages),
    ].join('\n\n'),
  );
}

const currentStage = ({ status }: FineTuneJob): string | undefined =>
  status.stages.find(
    ({ state }) =>
      state === 'JOB_STATE_RUNNING' || state === 'JOB_STATE_PAUSED' || state === 'JOB_STATE_FAILED',
  )?.name;
