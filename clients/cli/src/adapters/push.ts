/** `emloc adapters push`: checks, the card, the commit. */
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { directoryDigest } from '@emloc/artifacts';
import { hubSettings, parseHubReference, pushFiles, type PushedFile } from '@emloc/downloads';
import { adapterFiles, type AdapterDirectory } from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import { checkAdapter } from '../checks/inputs.ts';
import { underOption } from '../checks/under-option.ts';
import type { PushOptions } from '../commands/adapters.ts';
import type { CommandContext } from '../context.ts';
import { showFetching } from '../models/show-fetching.ts';
import { pairs } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { adapterCard, type JobReport } from './model-card.ts';

export async function pushAdapter(
  { output, signal, environment }: CommandContext,
  dir: string,
  typed: string,
  options: PushOptions,
): Promise<void> {
  const repo = checkRepository(typed);
  const adapter = await checkAdapter('<dir>', dir, undefined, output);
  const baseModel = checkBase(adapter, options.baseModel);
  const report = await reportOf(dir, options.report);
  const card = adapterCard({ ...options, adapter, baseModel, repo, report });
  const show = showFetching(output);
  const pushed = await underOption({ option: '<repository>', value: repo, name: 'repository' }, async () =>
    pushFiles(repo, await filesOf(adapter, baseModel, card), {
      settings: hubSettings(environment),
      title: `Upload ${adapterFiles.weights} and its model card with emloc`,
      // Only asked for; else its owner's settings decide.
      private: options.private || undefined,
      signal,
      onProgress: (doneBytes, totalBytes) => show({ phase: 'upload', what: repo, doneBytes, totalBytes }),
    }),
  );
  output.result({ repository: repo, base_model: baseModel, ...pushed }, () =>
    pairs([
      ['repository', `${pushed.url}${pushed.created ? ' (new)' : ''}`],
      ['commit', pushed.commit],
      ['base model', baseModel],
    ]),
  );
}

function checkRepository(typed: string): string {
  const reference = parseHubReference(typed);
  if (reference !== undefined && !typed.includes('@')) return reference.repo;
  throw new UsageError('BAD_REPOSITORY', `${typed} is no name of a repository`, {
    field: '<repository>',
    value: typed,
    mend: 'write ORG/NAME',
  });
}

/** Whoever loads the adapter elsewhere has to find its base. */
function checkBase({ settings, dir }: AdapterDirectory, typed: string | undefined): string {
  const base = typed ?? settings.baseModel;
  if (parseHubReference(base) !== undefined && (typed !== undefined || !existsSync(base))) return base;
  const message =
    typed === undefined
      ? `the base model of ${dir} is ${base === '' ? 'not named' : `a path (${base})`}`
      : `${typed} is no name of the hub`;
  throw new UsageError('BASE_MODEL_NOT_NAMED', message, {
    field: '--base-model',
    value: base,
    mend: 'give --base-model ORG/NAME, as the hub knows it',
  });
}

/** The report of the job that made this adapter, by the adapter's digest. */
async function reportOf(dir: string, typed: string | undefined): Promise<JobReport | undefined> {
  const path = typed ?? join(dirname(resolve(dir)), 'report.json');
  if (typed === undefined && !existsSync(path)) return undefined;
  const report = await underOption({ option: '--report', value: path }, async () => readReport(path));
  const { digest } = await directoryDigest(dir);
  if (Object.values(report.digests).includes(digest)) return report;
  if (typed === undefined) return undefined;
  throw new EmlocError('FAILED_PRECONDITION', 'REPORT_OF_OTHER_ADAPTER', `${typed} is not about ${dir}`, {
    field: '--report',
    value: typed,
    mend: 'name the report of the job that made this adapter, or leave --report out',
  });
}

async function readReport(path: string): Promise<JobReport> {
  const bad = (problem: string): EmlocError =>
    new EmlocError('INVALID_ARGUMENT', 'BAD_REPORT', `${path} ${problem}`, {
      field: '--report',
      value: path,
      mend: 'name a report.json that emloc finetune wrote',
    });
  const text = await readFile(path, 'utf8');
  try {
    const report = JSON.parse(text) as Partial<JobReport>;
    if (report.schemaVersion === 1 && report.digests !== undefined && report.settings !== undefined)
      return report as JobReport;
  } catch {
    throw bad('is not JSON');
  }
  throw bad('is no report of a job');
}

async function filesOf(adapter: AdapterDirectory, baseModel: string, card: string): Promise<PushedFile[]> {
  const config = JSON.parse(await readFile(join(adapter.dir, adapterFiles.config), 'utf8')) as object;
  const named = { ...config, base_model_name_or_path: baseModel };
  const weights = join(resolve(adapter.dir), adapterFiles.weights);
  return [
    { path: adapterFiles.config, content: { text: `${JSON.stringify(named, null, 2)}\n` } },
    { path: adapterFiles.weights, content: { file: weights, bytes: statSync(weights).size } },
    { path: 'README.md', content: { text: card } },
  ];
}
