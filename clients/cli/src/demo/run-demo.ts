/**
 * The demo: SmolLM2-135M fine-tuned through the coordinator and its services, then every model of the story asked the
 * test rows. All figures are measured; whatever wins, wins.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuInfo } from '@emloc/engine';
import type { CommandContext } from '../context.ts';
import { followJob } from '../jobs/follow-job.ts';
import { stageSeconds } from '../jobs/job-object.ts';
import { endedOtherwise } from '../jobs/job-result.ts';
import type { Connections } from '../mesh/connections.ts';
import { newId, runOperation } from '../operations/run-operation.ts';
import type { Files } from '../session/session.ts';
import type { ArtifactReference, Source } from '../wire/artifact.ts';
import type { FineTuneJob } from '../wire/job.ts';
import type { OperationResult } from '../wire/operation.ts';
import { present } from '../wire/present.ts';
import { evaluateModel, measureInference, type Evaluated, type Subject } from './evaluate-model.ts';
import { demoSpec, precision, type DemoSettings } from './settings.ts';
import type { DemoFigures, StageFigures } from './table.ts';

/** What the demo reads of report.json. */
interface Report {
  readonly resolved: { readonly emulatorSteps: number; readonly exactSteps: number };
  readonly data: { readonly heldOutRows: number };
  readonly digests: { readonly emulator: string; readonly adapterCorrected?: string };
  readonly stages: readonly {
    readonly name: string;
    readonly peakResidentBytes?: number;
    readonly peakAnonymousBytes?: number;
    readonly predictedPeakBytes?: number;
  }[];
}

export async function runDemo(
  context: CommandContext,
  connections: Connections,
  files: Files,
  model: string,
  settings: DemoSettings,
): Promise<DemoFigures> {
  const startedMs = performance.now();
  const job = await fineTune(context, connections, model, settings);
  const result = present(job.status.result, 'result');
  const report = await readReport(files, result.report);
  const emulator: Source = { artifact: { digest: report.digests.emulator } };
  const uncorrected: Source = { artifact: { digest: result.adapterUncorrected.digest } };
  const paper = await correctAsPublished(context, connections, { model, emulator, adapter: uncorrected });

  const { emulatorSteps, exactSteps } = report.resolved;
  const original = { model: { path: model } };
  const trained = { emulatorSteps, exactSteps: 0 };
  const corrected = report.digests.adapterCorrected;
  const subjects: Subject[] = [
    { name: 'original, zero-shot', weights: original, emulatorSteps: 0, exactSteps: 0 },
    { name: 'emulator before training', weights: { emulator }, emulatorSteps: 0, exactSteps: 0 },
    { name: 'emulator after training', weights: { emulator }, adapter: uncorrected, ...trained },
    { name: 'original + uncorrected adapter', weights: original, adapter: uncorrected, ...trained },
    { name: "original + paper's correction", weights: original, adapter: paper, ...trained },
    ...(corrected === undefined || corrected === result.adapterUncorrected.digest
      ? []
      : [
          {
            name: `original + chosen before refinement (${chosenCorrection(job)})`,
            weights: original,
            adapter: { artifact: { digest: corrected } },
            ...trained,
          },
        ]),
    {
      name: `original + chosen adapter (${result.chosen})`,
      weights: original,
      adapter: { artifact: { digest: result.adapter.digest } },
      emulatorSteps,
      exactSteps: result.chosen === 'refined' ? exactSteps : 0,
    },
  ];
  const evaluated: Evaluated[] = [];
  for (const subject of subjects)
    evaluated.push(await evaluateModel(context, connections, subject, settings.testRows));

  const inference = await measureInference(context, connections, model);
  const { model: cpu, cores } = cpuInfo();
  return {
    settings: { ...settings, held_out_rows: report.data.heldOutRows },
    machine: { cpu, cores },
    chosen: result.chosen,
    models: evaluated.map(({ subject, accuracy, loss }) => ({
      name: subject.name,
      emulator_steps: subject.emulatorSteps,
      exact_steps: subject.exactSteps,
      accuracy,
      loss,
    })),
    inference: { name: 'inference with the original', ...measuredOf(inference), seconds: undefined },
    stages: [...calibrationStage(report), ...jobStages(job)],
    total_seconds: (performance.now() - startedMs) / 1e3,
  };
}

/** A job of its own each time; what was done before with the same settings is taken from the store. */
async function fineTune(
  context: CommandContext,
  connections: Connections,
  model: string,
  settings: DemoSettings,
): Promise<FineTuneJob> {
  const jobs = await connections.jobs();
  const id = newId('demo');
  await jobs.createFineTuneJob({ id, spec: demoSpec(model, settings) });
  const end = present(await followJob(context, jobs, { id, onInterrupt: 'pause' }), 'end of the job');
  if (end.state !== 'JOB_STATE_SUCCEEDED') throw endedOtherwise(id, end);
  return (await jobs.getFineTuneJob({ id })).job;
}

async function readReport(files: Files, artifact: ArtifactReference): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), 'emloc-demo-'));
  try {
    const path = join(directory, 'report.json');
    await files.fetch(artifact, path);
    return JSON.parse(await readFile(path, 'utf8')) as Report;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The paper's correction, to stand beside whatever the job has chosen. */
async function correctAsPublished(
  context: CommandContext,
  connections: Connections,
  {
    model,
    emulator,
    adapter,
  }: { readonly model: string; readonly emulator: Source; readonly adapter: Source },
): Promise<Source> {
  const correction = await connections.stage('correction');
  const id = newId('demo-correct');
  const result = await runOperation(context, connections, {
    service: 'correction',
    id,
    begin: () =>
      correction.startCorrection({
        operationId: id,
        model: { path: model },
        emulator,
        adapter,
        method: 'CORRECTION_METHOD_PAPER',
        maxCorrectionRatio: 3,
        precision,
      }),
    onInterrupt: 'delete',
  });
  return { artifact: { digest: present(result.correction, 'correction').adapter.digest } };
}

/** The best of the candidates before the refinement; those that were dropped early were measured on fewer rows. */
function chosenCorrection({ status }: FineTuneJob): string {
  const candidates = status.result?.candidates.filter(({ method }) => method !== 'refined') ?? [];
  const allRows = Math.max(...candidates.map(({ rows }) => rows));
  return candidates
    .filter(({ rows }) => rows === allRows)
    .reduce((best, next) => (next.loss < best.loss ? next : best)).name;
}

const measuredOf = ({
  usage,
  prediction,
}: Pick<OperationResult, 'usage' | 'prediction'>): Omit<StageFigures, 'name'> => ({
  seconds: usage?.wallSeconds,
  peak_bytes: usage?.peakResidentBytes,
  peak_anonymous_bytes: usage?.peakAnonymousBytes,
  predicted_peak_bytes: prediction?.peakResidentBytes,
});

const jobStages = ({ status }: FineTuneJob): StageFigures[] =>
  status.stages
    .filter(({ state }) => state === 'JOB_STATE_SUCCEEDED')
    .map((stage) => ({ name: stage.name, ...measuredOf(stage), seconds: stageSeconds(stage) }));

/** Calibration streams into compression; the report measures its process apart. */
const calibrationStage = ({ stages }: Report): StageFigures[] =>
  stages
    .filter(({ name }) => name === 'calibrate')
    .map(({ name, peakResidentBytes, peakAnonymousBytes, predictedPeakBytes }) => ({
      name: `${name} (streams into compress)`,
      peak_bytes: peakResidentBytes,
      peak_anonymous_bytes: peakAnonymousBytes,
      predicted_peak_bytes: predictedPeakBytes,
    }));
