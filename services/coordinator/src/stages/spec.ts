/** The fields of a job's specification that the coordinator itself looks at; the rest it passes on as it is. */
import type { Spec } from '../jobs/job.ts';

type Message = Readonly<Record<string, unknown>>;

export interface SpecFields {
  readonly model: Message;
  readonly dataset: Message;
  readonly evalDataset?: Message;
  readonly compression?: {
    readonly ratio?: number;
    readonly ratios?: readonly Message[];
    readonly method?: string;
  };
  readonly calibration?: Message & { readonly seed?: number };
  readonly lora?: Message;
  readonly training?: Message & {
    readonly learningRate?: number;
    readonly seed?: number;
    readonly evalSteps?: number;
    readonly batchSize?: number;
    readonly precision?: string;
  };
  readonly refineSteps?: number;
  readonly refineLearningRate?: number;
  readonly correctionMethod?: string;
  readonly maxCorrectionRatio?: number;
  readonly choices?: readonly string[];
  readonly choiceIds?: readonly Message[];
  readonly exactMatch?: boolean;
  readonly memoryBudgetBytes?: number;
  readonly adapterInit?: Message;
}

export const fieldsOf = (spec: Spec): SpecFields => spec as unknown as SpecFields;

const defaultRatio = 0.5;
export const defaultSeed = 42;
export const defaultLearningRate = 2e-4;
export const defaultHeldOutRows = 64;

/** As the compression service wants it: with a ratio. */
export function compressionOf({ compression }: SpecFields): Message {
  const given = compression?.ratio !== undefined || (compression?.ratios?.length ?? 0) > 0;
  return given ? { ...compression } : { ...compression, ratio: defaultRatio };
}

/** Ratio 1: no emulator, LoRA on the original. */
export const isUncompressed = ({ compression }: SpecFields): boolean => compression?.ratio === 1;

/** Whether the final evaluation is to tell more than the loss. */
export const asksForAnswers = ({ choices = [], choiceIds = [], exactMatch = false }: SpecFields): boolean =>
  choices.length > 0 || choiceIds.length > 0 || exactMatch;

export function trainingRows({ dataset, evalDataset, training }: SpecFields): Message {
  return evalDataset === undefined
    ? { ...dataset, split: split('SPLIT_PART_TRAIN', training?.seed) }
    : dataset;
}

export function heldOutRows({ dataset, evalDataset, training }: SpecFields): Message {
  return evalDataset ?? { ...dataset, split: split('SPLIT_PART_HELD_OUT', training?.seed) };
}

const split = (part: string, seed = defaultSeed): Message => ({ part, rows: defaultHeldOutRows, seed });
