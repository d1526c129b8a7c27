/** What comes out of a job: its files at their places, its figures on stdout. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EmlocError } from '@emloc/errors';
import { fromStatusMessage } from '@emloc/mesh';
import { writeOutput, type OutputPlace } from '../checks/output.ts';
import type { CommandContext } from '../context.ts';
import { Interrupted } from '../interrupted.ts';
import { resumable } from '../operations/resume-hint.ts';
import { formatBytes, formatSeconds } from '../output/format.ts';
import { pairs, table } from '../output/table.ts';
import type { Files, Session } from '../session/session.ts';
import { candidateObject, candidateTable } from '../stages/correct.ts';
import { evaluationLines, evaluationObject } from '../stages/evaluate.ts';
import type { FineTuneJob, FineTuneJobEvent, FineTuneJobResult, JobStage } from '../wire/job.ts';
import { present } from '../wire/present.ts';
import { stageObject, stageSeconds } from './job-object.ts';

/** Where a job's files go; what has no place stays in the store. */
export interface JobPlaces {
  readonly output: OutputPlace | undefined;
  readonly log: OutputPlace | undefined;
}

export type JobEnd = NonNullable<FineTuneJobEvent['stateChanged']>;

/** Ends as the job ended: its result printed and at its places, or its error thrown. */
export async function finishJob(
  context: CommandContext,
  session: Session,
  id: string,
  end: JobEnd,
  places: JobPlaces,
): Promise<void> {
  context.output.endProgress();
  if (end.state !== 'JOB_STATE_SUCCEEDED') throw endedOtherwise(id, end);
  const { job } = await (await session.connections.jobs()).getFineTuneJob({ id });
  const result = present(end.result, 'result');
  const { files } = session;
  const { output, log } = places;
  if (output !== undefined) await writeOutput(output, (draft) => writeResult(files, result, draft));
  if (log !== undefined) await writeOutput(log, (draft) => files.fetch(present(result.log, 'log'), draft));
  printResult(context, job, result, places);
}

/** Why a job gave no result, and how it goes on. */
export function endedOtherwise(id: string, { state, error }: JobEnd): EmlocError {
  const mend = `emloc jobs resume ${id} goes on`;
  switch (state) {
    case 'JOB_STATE_PAUSED':
      return new Interrupted(`job ${id} is paused, its last checkpoint is kept`, mend);
    case 'JOB_STATE_FAILED':
      return error === null
        ? new EmlocError('INTERNAL', 'JOB_FAILED', `job ${id} failed without saying why`)
        : (resumable(fromStatusMessage(error), mend) as EmlocError);
    default:
      return new EmlocError('CANCELLED', 'JOB_CANCELLED', `job ${id} was cancelled`, { mend });
  }
}

async function writeResult(files: Files, result: FineTuneJobResult, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await files.fetch(result.adapter, join(directory, 'adapter'));
  await files.fetch(result.adapterUncorrected, join(directory, 'adapter-uncorrected'));
  await files.fetch(result.report, join(directory, 'report.json'));
}

function printResult(
  context: CommandContext,
  job: FineTuneJob,
  result: FineTuneJobResult,
  { output, log }: JobPlaces,
): void {
  const { candidates, evaluation, chosen } = result;
  const { stages } = job.status;
  context.output.result(
    {
      job: job.id,
      output: output?.path,
      log: log?.path,
      chosen,
      candidates: candidates.map(candidateObject),
      evaluation: evaluation === null ? undefined : evaluationObject(evaluation),
      stages: stages.map(stageObject),
      digests: {
        adapter: result.adapter.digest,
        adapter_uncorrected: result.adapterUncorrected.digest,
        report: result.report.digest,
      },
    },
    () =>
      [
        candidateTable(candidates),
        stageTable(stages),
        pairs([
          ['job', job.id],
          ['chosen', chosen],
          ...(evaluation === null ? [] : evaluationLines(evaluation)),
          ...(output === undefined ? [] : ([['output', output.path]] as const)),
          ...(log === undefined ? [] : ([['log', log.path]] as const)),
        ]),
      ].join('\n\n'),
  );
}

export function stageTable(stages: readonly JobStage[]): string {
  const columns = [
    { title: 'stage' },
    { title: 'state' },
    { title: 'time', align: 'right' },
    { title: 'peak memory', align: 'right' },
    { title: 'predicted', align: 'right' },
  ] as const;
  return table(
    columns,
    stages.map((stage) => {
      const seconds = stageSeconds(stage);
      return [
        stage.name,
        stage.state.replace('JOB_STATE_', '').toLowerCase(),
        seconds === undefined ? undefined : formatSeconds(seconds),
        stage.usage === null ? undefined : formatBytes(stage.usage.peakResidentBytes),
        stage.prediction === null ? undefined : formatBytes(stage.prediction.peakResidentBytes),
      ];
    }),
  );
}
