/** report.json: everything measured in a job, as docs/report.schema.json describes it. */
import type {
  ArtifactReference,
  CandidateEvaluation,
  CompressionResult,
  EvaluationResult,
  MemoryPrediction,
  ResourceUsage,
} from '@emloc/service-kit';
import type { Job, Stage } from '../jobs/job.ts';
import { usesEmulator, type JobPlan } from '../stages/plan.ts';
import { compressionOf, fieldsOf, heldOutRows, trainingRows } from '../stages/spec.ts';

export interface ReportInput {
  readonly plan: JobPlan;
  readonly compressed: CompressionResult | undefined;
  readonly adapter: ArtifactReference;
  readonly adapterUncorrected: ArtifactReference;
  /** The best before the refinement; undefined where nothing was corrected. */
  readonly adapterCorrected: ArtifactReference | undefined;
  readonly candidates: readonly CandidateEvaluation[];
  readonly chosen: string;
  readonly evaluation: EvaluationResult;
}

/** Memory of a process that worked on a stage, predicted and measured, in bytes. */
export interface StageMemory {
  readonly predictedPeakBytes?: number;
  readonly peakResidentBytes?: number;
  readonly peakAnonymousBytes?: number;
}

export interface StageReport extends StageMemory {
  readonly name: string;
  readonly state: string;
  readonly seconds?: number;
  readonly fromStore?: boolean;
  readonly note?: string;
}

export function makeReport(job: Job, version: string, stages: readonly Stage[], input: ReportInput): object {
  const spec = fieldsOf(job.spec);
  const { plan, compressed, candidates, chosen, evaluation } = input;
  return {
    schemaVersion: 1,
    software: { name: 'emloc', version },
    job: { id: job.id, createdAt: job.createdAt.toISOString() },
    settings: job.spec,
    resolved: {
      compression: usesEmulator(plan) ? compressionOf(spec) : { ratio: 1 },
      trainingRows: trainingRows(spec),
      heldOutRows: heldOutRows(spec),
      emulatorSteps: plan.emulatorSteps,
      exactSteps: usesEmulator(plan) ? plan.refineSteps : plan.outlook.totalSteps,
      keptFull: keptFull(compressed),
    },
    data: {
      rows: plan.outlook.rows,
      tokens: plan.outlook.tokens,
      longestRow: plan.outlook.longestRow,
      heldOutRows: plan.outlook.evalRows,
    },
    digests: {
      model: plan.outlook.modelDigest,
      dataset: plan.outlook.datasetDigest,
      ...(spec.evalDataset === undefined ? {} : { heldOut: plan.outlook.evalDatasetDigest }),
      adapter: input.adapter.digest,
      adapterUncorrected: input.adapterUncorrected.digest,
      adapterCorrected: input.adapterCorrected?.digest,
      ...(compressed === undefined ? {} : { emulator: compressed.emulator.digest }),
    },
    inference: { predictedPeakBytes: plan.outlook.inferencePeakBytes },
    stages: stageReports(stages, compressed),
    candidates: candidates.map(({ loss, ...candidate }) => ({ ...candidate, heldOutLoss: loss })),
    chosen,
    evaluation,
  };
}

/** Linears of experts that calibration reached with fewer rows than their rank; undefined where there are none. */
function keptFull(compressed: CompressionResult | undefined): object[] | undefined {
  const kept = (compressed?.linears ?? []).flatMap(({ module, keptFullRows: rows }) =>
    rows === undefined || rows === null ? [] : [{ module, rows }],
  );
  return kept.length === 0 ? undefined : kept;
}

/** The stages as the report lists them; calibration, which streams into compression, is a line of its own. */
function stageReports(stages: readonly Stage[], compressed: CompressionResult | undefined): StageReport[] {
  return stages
    .filter(({ name }) => name !== 'report')
    .flatMap((stage) => {
      const { name, state, note, prediction, usage, startedAt, endedAt, fromStore } = stage;
      const isTimed = startedAt !== undefined && endedAt !== undefined;
      const seconds = isTimed ? (Date.parse(endedAt) - Date.parse(startedAt)) / 1000 : undefined;
      const report = { name, state, seconds, ...memoryOf(prediction, usage), fromStore, note };
      if (name !== 'compress' || compressed?.calibrationUsage === undefined) return [report];
      const { calibrationPrediction, calibrationUsage } = compressed;
      const calibration = { name: 'calibrate', state, note: 'streamed into compress' };
      return [{ ...calibration, ...memoryOf(calibrationPrediction, calibrationUsage) }, report];
    });
}

const memoryOf = (
  prediction: MemoryPrediction | undefined,
  usage: ResourceUsage | undefined,
): StageMemory => ({
  predictedPeakBytes: prediction?.peakResidentBytes,
  peakResidentBytes: usage?.peakResidentBytes,
  peakAnonymousBytes: usage?.peakAnonymousBytes,
});
