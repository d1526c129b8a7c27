/** The requests of a job's stages, from its specification, its plan and what the stages before it made. */
import type { ArtifactReference, CorrectionResult, TrainingResult } from '@emloc/service-kit';
import { usesEmulator, type JobPlan } from './plan.ts';
import { compressionOf, defaultLearningRate, heldOutRows, trainingRows, type SpecFields } from './spec.ts';

type Message = Readonly<Record<string, unknown>>;

/** The exact steps: warmed up anew over so many steps to this share of the peak rate (algorithm, section 4c). */
const refineWarmupSteps = 2;
const refineShareOfPeak = 0.8;

const artifact = ({ digest }: ArtifactReference): Message => ({ artifact: { digest } });

export function planRequest(spec: SpecFields): Message {
  const { model, lora, training, adapterInit } = spec;
  const rows = { dataset: trainingRows(spec), evalDataset: heldOutRows(spec) };
  return { model, lora, options: training, ...rows, adapterInit };
}

export function compressionRequest(spec: SpecFields): Message {
  const options = compressionOf(spec);
  const calibration = { options: { ...spec.calibration, dataset: trainingRows(spec) } };
  return {
    model: spec.model,
    options,
    statistics: options['method'] === 'COMPRESSION_METHOD_SVD' ? undefined : { calibration },
    memoryBudgetBytes: spec.memoryBudgetBytes,
  };
}

/** Training on the emulator, or, where there is none, on the original with its layers streamed. */
export function trainingRequest(
  spec: SpecFields,
  plan: JobPlan,
  emulator: ArtifactReference | undefined,
): Message {
  const maxSteps = usesEmulator(plan) ? plan.emulatorSteps : plan.outlook.totalSteps;
  return {
    ...(emulator === undefined ? { model: spec.model } : { emulator: artifact(emulator) }),
    ...trainingData(spec),
    lora: spec.lora,
    options: { ...spec.training, maxSteps },
    adapterInit: spec.adapterInit,
    memoryBudgetBytes: spec.memoryBudgetBytes,
  };
}

export function correctionRequest(
  spec: SpecFields,
  emulator: ArtifactReference,
  adapter: ArtifactReference,
): Message {
  return {
    model: spec.model,
    emulator: artifact(emulator),
    adapter: artifact(adapter),
    method: methodOf(spec),
    maxCorrectionRatio: spec.maxCorrectionRatio,
    heldOut: heldOutRows(spec),
    precision: spec.training?.precision,
    memoryBudgetBytes: spec.memoryBudgetBytes,
  };
}

export function refinementRequest(
  spec: SpecFields,
  plan: JobPlan,
  trained: TrainingResult,
  corrected: CorrectionResult | undefined,
): Message {
  const peak = spec.training?.learningRate ?? defaultLearningRate;
  const options = {
    ...spec.training,
    maxSteps: plan.refineSteps,
    learningRate: spec.refineLearningRate ?? refineShareOfPeak * peak,
    lrSchedulerType: 'LR_SCHEDULER_TYPE_COSINE',
    warmupSteps: Math.min(refineWarmupSteps, plan.refineSteps - 1),
    dataStartStep: plan.emulatorSteps,
  };
  // Adam's moments belong to the factors that they were gathered with.
  const keepsMoments = corrected === undefined || !corrected.changed;
  return {
    model: spec.model,
    ...trainingData(spec),
    lora: spec.lora,
    options,
    adapterInit: artifact(corrected?.adapter ?? trained.adapter),
    optimizerInit: keepsMoments && trained.optimizer !== undefined ? artifact(trained.optimizer) : undefined,
    memoryBudgetBytes: spec.memoryBudgetBytes,
  };
}

/** An adapter on the original, on the held-out rows. */
export function evaluationRequest(
  spec: SpecFields,
  adapter: ArtifactReference,
  purpose: 'select' | 'evaluate',
): Message {
  const answers = { choices: spec.choices, choiceIds: spec.choiceIds, exactMatch: spec.exactMatch ?? false };
  return {
    model: spec.model,
    adapter: artifact(adapter),
    dataset: heldOutRows(spec),
    ...(purpose === 'evaluate' ? answers : { exactMatch: false }),
    precision: spec.training?.precision,
    // No stage of a job is to need more memory than inference does: a layer at a time.
    weightLoading: 'WEIGHT_LOADING_STREAMED',
    memoryBudgetBytes: spec.memoryBudgetBytes,
  };
}

export const methodOf = (spec: SpecFields): string =>
  spec.correctionMethod === undefined || spec.correctionMethod.endsWith('_UNSPECIFIED')
    ? 'CORRECTION_METHOD_AUTO'
    : spec.correctionMethod;

function trainingData(spec: SpecFields): Message {
  const evaluates = (spec.training?.evalSteps ?? 0) > 0;
  return { dataset: trainingRows(spec), evalDataset: evaluates ? heldOutRows(spec) : undefined };
}
