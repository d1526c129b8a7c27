/**
 * A fine-tuning job as a sequence of stages (architecture, algorithm sections 1 to 4c). Every call on `run` that works is
 * a durable step: after a restart it gives what it gave before. The rest is pure, so that a replay takes the same way.
 */
import { EmlocError } from '@emloc/errors';
import type {
  ArtifactReference,
  CandidateEvaluation,
  CompressionResult,
  CorrectionResult,
  EvaluationResult,
  OperationResult,
  StageResults,
} from '@emloc/service-kit';
import type { JobResult, StageName } from '../jobs/job.ts';
import { planJob, usesEmulator, type JobPlan, type TrainingOutlook } from '../stages/plan.ts';
import {
  compressionRequest,
  correctionRequest,
  evaluationRequest,
  methodOf,
  planRequest,
  refinementRequest,
  trainingRequest,
} from '../stages/requests.ts';
import { asksForAnswers, type SpecFields } from '../stages/spec.ts';
import type { StageService } from '../stages/stage-clients.ts';
import {
  chooseCandidate,
  correctionCandidates,
  toEvaluations,
  type Candidate,
  type WrittenCandidate,
} from './candidates.ts';
import type { ReportInput } from './report.ts';
import type { StageLog } from './stage-logs.ts';

/** One operation of a stage; `name` distinguishes several of one stage. */
export interface OperationOrder {
  readonly service: StageService;
  readonly rpc: string;
  readonly request: object;
  readonly name?: string;
}

/** What the workflow asks of the machinery around it. */
export interface JobRun {
  readonly spec: SpecFields;
  plan(request: object): Promise<TrainingOutlook>;
  /** Throws what ends the job: an error, a pause, a cancel. */
  operate(stage: StageName, order: OperationOrder): Promise<OperationResult>;
  /** Says that a stage is done, with what is worth knowing about it. */
  finish(stage: StageName, results: readonly OperationResult[], note?: string): Promise<void>;
  skip(stage: StageName, why: string): Promise<void>;
  /** Announces the number of steps of a stage that is to come. */
  announce(stage: StageName, totalSteps: number): Promise<void>;
  report(input: ReportInput): Promise<ArtifactReference>;
  /** The logs of the stages that trained, as one. */
  log(parts: readonly StageLog[]): Promise<ArtifactReference>;
}

export async function fineTune(run: JobRun): Promise<JobResult> {
  const { spec } = run;
  const plan = planJob(spec, await run.plan(planRequest(spec)));
  await run.finish('plan', [], planNote(plan));
  if (plan.refineSteps > 0) await run.announce('refine', plan.refineSteps);

  const compressed = await compress(run, plan);
  const emulator = compressed?.emulator;
  const trainRequest = trainingRequest(spec, plan, emulator);
  const trained = await single(run, 'train', 'training', {
    service: 'training',
    rpc: 'startTraining',
    request: trainRequest,
  });
  const corrected =
    emulator === undefined ? await skipCorrection(run) : await correct(run, emulator, trained.adapter);
  const refined = await refine(run, plan, trained, corrected);

  const candidates = await select(run, { trained: trained.adapter, corrected, refined: refined?.adapter });
  const chosen = chooseCandidate(candidates);
  const evaluations = toEvaluations(candidates, chosen);
  const evaluation = await evaluate(run, chosen);
  const adapters = { adapter: chosen.adapter, adapterUncorrected: trained.adapter };
  const result = { ...adapters, chosen: chosen.evaluation.name, candidates: evaluations, evaluation };
  const logs: StageLog[] = [{ stage: 'train', log: trained.log }];
  if (refined !== undefined) logs.push({ stage: 'refine', log: refined.log });
  return {
    ...result,
    log: await run.log(logs),
    report: await run.report({ ...result, adapterCorrected: corrected?.adapter, plan, compressed }),
  };
}

/** What the selection measured with the same request is not measured again. */
async function evaluate(run: JobRun, { adapter, measured }: WrittenCandidate): Promise<EvaluationResult> {
  if (measured !== undefined && !asksForAnswers(run.spec)) {
    await run.skip('evaluate', 'measured when it was selected');
    return measured;
  }
  const request = evaluationRequest(run.spec, adapter, 'evaluate');
  return single(run, 'evaluate', 'evaluation', { service: 'inference', rpc: 'startEvaluation', request });
}

async function compress(run: JobRun, plan: JobPlan): Promise<CompressionResult | undefined> {
  if (!usesEmulator(plan)) {
    await run.skip('compress', 'all steps are exact: no emulator is needed');
    return undefined;
  }
  const request = compressionRequest(run.spec);
  const order = { service: 'compression', rpc: 'startCompression', request } as const;
  return single(run, 'compress', 'compression', order);
}

async function skipCorrection(run: JobRun): Promise<undefined> {
  await run.skip('correct', 'trained on the original: nothing to correct');
}

async function correct(
  run: JobRun,
  emulator: ArtifactReference,
  adapter: ArtifactReference,
): Promise<CorrectionResult | undefined> {
  if (methodOf(run.spec) === 'CORRECTION_METHOD_NONE') {
    await run.skip('correct', 'no correction was asked for');
    return undefined;
  }
  const request = correctionRequest(run.spec, emulator, adapter);
  return single(run, 'correct', 'correction', { service: 'correction', rpc: 'startCorrection', request });
}

async function refine(
  run: JobRun,
  plan: JobPlan,
  trained: StageResults['training'],
  corrected: CorrectionResult | undefined,
): Promise<StageResults['training'] | undefined> {
  if (plan.refineSteps === 0) {
    await run.skip('refine', usesEmulator(plan) ? 'no exact steps were asked for' : 'all steps were exact');
    return undefined;
  }
  const request = refinementRequest(run.spec, plan, trained, corrected);
  return single(run, 'refine', 'training', { service: 'training', rpc: 'startTraining', request });
}

type Method = CandidateEvaluation['method'];

interface Made {
  readonly trained: ArtifactReference;
  readonly corrected: CorrectionResult | undefined;
  readonly refined: ArtifactReference | undefined;
}

/** Every candidate's held-out loss; those that the correction measured already are not measured again. */
async function select(run: JobRun, { trained, corrected, refined }: Made): Promise<Candidate[]> {
  const results: OperationResult[] = [];
  const measure = async (name: string, adapter: ArtifactReference): Promise<EvaluationResult> => {
    const request = evaluationRequest(run.spec, adapter, 'select');
    const result = await run.operate('select', {
      service: 'inference',
      rpc: 'startEvaluation',
      request,
      name,
    });
    results.push(result);
    return required(result, 'evaluation');
  };
  const candidates = corrected === undefined ? [] : correctionCandidates(corrected);
  if (candidates.length === 0) {
    const measured = await measure('uncorrected', trained);
    candidates.push({ ...candidate('none', 'none', measured), adapter: trained });
    if (corrected !== undefined) {
      const { maxCorrectionRatio = 3 } = run.spec;
      const made = candidate(corrected.chosen, 'paper', await measure('corrected', corrected.adapter));
      const evaluation = { ...made.evaluation, maxCorrectionRatio };
      candidates.push({ ...made, evaluation, adapter: corrected.adapter });
    }
  }
  if (refined !== undefined) {
    candidates.push({
      ...candidate('refined', 'refined', await measure('refined', refined)),
      adapter: refined,
    });
  }
  await run.finish(
    'select',
    results,
    `best on the held-out rows: ${chooseCandidate(candidates).evaluation.name}`,
  );
  return candidates;
}

const candidate = (name: string, method: Method, measured: EvaluationResult) => ({
  evaluation: { name, method, loss: measured.loss, rows: measured.rows },
  measured,
});

/** A stage that is one operation. */
async function single<K extends keyof StageResults>(
  run: JobRun,
  stage: StageName,
  kind: K,
  order: OperationOrder,
): Promise<StageResults[K]> {
  const result = await run.operate(stage, order);
  const made = required(result, kind);
  await run.finish(stage, [result]);
  return made;
}

function required<K extends keyof StageResults>(result: OperationResult, kind: K): StageResults[K] {
  const made = result[kind];
  if (made !== undefined) return made as StageResults[K];
  throw new EmlocError('INTERNAL', 'RESULT_MISSING', `a stage succeeded without a result of kind ${kind}`);
}

function planNote({ emulatorSteps, refineSteps, outlook }: JobPlan): string {
  const rows = `${outlook.rows} rows, ${outlook.evalRows} held out`;
  if (emulatorSteps === 0) return `${outlook.totalSteps} exact steps; ${rows}`;
  return `${emulatorSteps} steps on the emulator, ${refineSteps} exact; ${rows}`;
}
