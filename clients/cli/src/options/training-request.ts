/** What was typed for a training, as the messages of emloc.training.v1. */
import type { schedulerTypes } from './training.ts';
import type { TypedData } from './data.ts';
import type { LoraConfig, Precision, TrainingOptions } from '../wire/stages.ts';

/** The values of the options in `training.ts`, as commander hands them out. */
export interface TypedTraining extends TypedData {
  readonly loraR: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: string;
  readonly learningRate: number;
  readonly lrSchedulerType: (typeof schedulerTypes)[number];
  readonly warmupSteps?: number;
  readonly warmupRatio?: number;
  readonly weightDecay: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  readonly maxGradNorm: number;
  readonly maxSteps?: number;
  readonly numTrainEpochs?: number;
  readonly perDeviceTrainBatchSize: number;
  readonly gradientAccumulationSteps: number;
  readonly groupByLength: boolean;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly precision?: 'f32' | 'bf16';
  readonly evalData?: string;
  readonly evalSteps?: number;
  readonly earlyStoppingPatience?: number;
  readonly saveSteps: number;
}

export function toTrainingOptions(typed: TypedTraining): TrainingOptions {
  return {
    learningRate: typed.learningRate,
    maxSteps: typed.maxSteps,
    numTrainEpochs: typed.numTrainEpochs,
    batchSize: typed.perDeviceTrainBatchSize,
    gradientAccumulationSteps: typed.gradientAccumulationSteps,
    lrSchedulerType: `LR_SCHEDULER_TYPE_${typed.lrSchedulerType.toUpperCase()}`,
    warmupSteps: typed.warmupSteps,
    warmupRatio: typed.warmupRatio,
    weightDecay: typed.weightDecay,
    adamBeta1: typed.adamBeta1,
    adamBeta2: typed.adamBeta2,
    adamEpsilon: typed.adamEpsilon,
    maxGradNorm: typed.maxGradNorm,
    groupByLength: typed.groupByLength,
    shuffle: typed.shuffle,
    seed: typed.seed,
    evalSteps: typed.evalSteps ?? 0,
    earlyStoppingPatience: typed.earlyStoppingPatience,
    saveSteps: typed.saveSteps,
    precision: toPrecision(typed.precision),
  };
}

export function toLoraConfig(typed: TypedTraining, targets: string | readonly string[]): LoraConfig {
  const { loraR: r, loraAlpha, loraDropout } = typed;
  return typeof targets === 'string'
    ? { r, loraAlpha, loraDropout, targetModulesPattern: targets }
    : { r, loraAlpha, loraDropout, targetModules: targets };
}

export const toPrecision = (typed: 'f32' | 'bf16' | undefined): Precision =>
  typed === undefined ? 'PRECISION_UNSPECIFIED' : typed === 'f32' ? 'PRECISION_F32' : 'PRECISION_BF16';
