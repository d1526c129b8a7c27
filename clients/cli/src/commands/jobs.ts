/** `emloc jobs`: fine-tuning jobs of the mesh. */
import type { Command } from 'commander';
import { jsonOption, overwriteOption, serverOption } from '../options/common.ts';
import { addOptions, type OptionRow } from '../options/option.ts';
import { wholeNumber } from '../options/values.ts';
import { addExamples, type DefineCommand } from '../program.ts';

export interface JobsOptions {
  readonly server?: string;
  readonly json: boolean;
}
export interface ListOptions extends JobsOptions {
  readonly limit: number;
}
export interface ResumeOptions extends JobsOptions {
  readonly output?: string;
  readonly log?: string;
  readonly overwrite: boolean;
}

export const define: DefineCommand = (command, start) => {
  command.description(
    'Lists, shows, watches, cancels, resumes and deletes fine-tuning jobs, those of emloc finetune. What a command of a ' +
      'single stage started ends with it; a training that was interrupted goes on with emloc train … --resume.',
  );
  addExamples(command, 'emloc jobs list', 'emloc jobs watch ID', 'emloc jobs resume ID');

  const list = sub(
    command,
    'list',
    'jobs, the newest first',
    ['emloc jobs list', 'emloc jobs list --limit 5 --json'],
    [
      {
        flags: '--limit <count>',
        says: 'at most so many',
        parse: wholeNumber('--limit', 1, '50'),
        default: 50,
      },
    ],
  );
  list.action((options: ListOptions) =>
    start(options, async (context) => (await import('../jobs/jobs.ts')).listJobs(context, options)),
  );

  const get = sub(command, 'get <id>', 'one job with its stages', ['emloc jobs get ID --json']);
  get.action((id: string, options: JobsOptions) =>
    start(options, async (context) => (await import('../jobs/jobs.ts')).getJob(context, id, options)),
  );

  const watch = sub(
    command,
    'watch <id>',
    'follow a job to its end, on a terminal with a curve of its losses; Ctrl-C stops watching, not the job',
    ['emloc jobs watch ID'],
  );
  watch.action((id: string, options: JobsOptions) =>
    start(options, async (context) => (await import('../jobs/jobs.ts')).watchJob(context, id, options)),
  );

  const cancel = sub(command, 'cancel <id>', 'end a job; finished stages are kept', ['emloc jobs cancel ID']);
  cancel.action((id: string, options: JobsOptions) =>
    start(options, async (context) => (await import('../jobs/jobs.ts')).cancelJob(context, id, options)),
  );

  const resume = sub(
    command,
    'resume <id>',
    'let a paused, cancelled or failed job go on, to its end',
    ['emloc jobs resume ID'],
    [
      { flags: '--output <dir>', says: 'where the result goes (default: where emloc finetune was told)' },
      { flags: '--log <file>', says: 'where the training log goes (default: where emloc finetune was told)' },
      overwriteOption,
    ],
  );
  resume.action((id: string, options: ResumeOptions) =>
    start(options, async (context) => (await import('../jobs/jobs.ts')).resumeJob(context, id, options)),
  );

  // What the scripts of `emloc completion` ask at a Tab.
  const ids = command.command('ids', { hidden: true }).description('ids of the jobs of the local mesh');
  addExamples(ids, 'emloc jobs ids');
  ids.action(() => start({}, async (context) => (await import('../jobs/job-ids.ts')).printJobIds(context)));

  const remove = sub(command, 'delete <id>', 'forget a job that has ended', ['emloc jobs delete ID']);
  remove.action((id: string, options: JobsOptions) =>
    start(options, async (context) => (await import('../jobs/jobs.ts')).deleteJob(context, id, options)),
  );
};

function sub(
  command: Command,
  name: string,
  says: string,
  shown: readonly string[],
  rows: readonly OptionRow[] = [],
): Command {
  const made = command.command(name).description(says);
  if (rows.length > 0) addOptions(made, 'Options', rows);
  addOptions(made, 'Mesh', [serverOption, jsonOption]);
  return addExamples(made, ...shown);
}
