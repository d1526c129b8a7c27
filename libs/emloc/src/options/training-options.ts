/**
 * Options of training, named as Hugging Face's Trainer and PEFT name them. Defaults are the paper's settings, with
 * the learning rate that smaller models want (paper, section 4.1, uses 4e-5 for models of 8B and more).
 */
import { z } from 'zod';
import { parseOptions } from './parse-options.ts';
import type { Spelling } from './option-names.ts';

const count = (text: string) => z.int(`${text} must be a whole number`);
const real = (text: string) => z.number(`${text} must be a number`);

export const trainingOptionsSchema = z.strictObject({
  maxSteps: count('the number of steps')
    .min(1, 'at least 1 step is needed')
    .optional()
    .describe('optimizer steps; wins over num_train_epochs (500 if neither is given)'),
  numTrainEpochs: real('the number of epochs')
    .gt(0, 'must be above 0')
    .optional()
    .describe('passes over the training set; a part of one counts'),
  perDeviceTrainBatchSize: count('the batch size')
    .min(1, 'a batch has at least 1 row')
    .default(2)
    .describe('rows of a micro-batch'),
  gradientAccumulationSteps: count('the number of micro-batches')
    .min(1, 'a step has at least 1 micro-batch')
    .default(4)
    .describe('micro-batches of a step'),
  learningRate: real('the learning rate')
    .min(0, 'a learning rate is not negative')
    .default(2e-4)
    .describe('peak learning rate'),
  lrSchedulerType: z
    .enum(['cosine', 'linear', 'constant', 'constant_with_warmup'], {
      error: 'choose cosine, linear, constant or constant_with_warmup',
    })
    .default('cosine')
    .describe('cosine, linear, constant or constant_with_warmup'),
  warmupSteps: count('the number of warm-up steps')
    .min(0, 'not below 0')
    .optional()
    .describe('steps of linear warm-up from 0; wins over warmup_ratio'),
  warmupRatio: real('the warm-up ratio')
    .min(0, 'must lie in [0, 1]')
    .max(1, 'must lie in [0, 1]')
    .optional()
    .describe('share of the steps that warm up (0.03; 0 for constant)'),
  weightDecay: real('the weight decay')
    .min(0, 'not below 0')
    .default(0.01)
    .describe('decoupled weight decay'),
  adamBeta1: real('beta 1').min(0, 'must lie in [0, 1)').lt(1, 'must lie in [0, 1)').default(0.9),
  adamBeta2: real('beta 2').min(0, 'must lie in [0, 1)').lt(1, 'must lie in [0, 1)').default(0.999),
  adamEpsilon: real('epsilon').gt(0, 'must be above 0').default(1e-8),
  maxGradNorm: real('the gradient norm')
    .min(0, 'not below 0; 0 means no clipping')
    .default(1)
    .describe('clip the norm of the whole gradient; 0: no clipping'),
  maxSeqLength: count('the length')
    .min(2, 'a sequence has at least 2 tokens')
    .optional()
    .describe('cut longer rows to this many tokens (nothing is cut unless asked)'),
  shuffle: z.boolean('true or false').default(true).describe('new seeded order in each epoch'),
  groupByLength: z.boolean('true or false').default(true).describe('micro-batches of rows near in length'),
  seed: count('the seed').min(0, 'not below 0').default(42),
  evalSteps: count('the number of steps')
    .min(0, 'not below 0')
    .default(0)
    .describe('evaluate every so many steps; 0: never'),
  earlyStoppingPatience: count('the patience')
    .min(1, 'at least 1 evaluation')
    .optional()
    .describe('stop after so many evaluations without a better loss'),
  earlyStoppingThreshold: real('the threshold')
    .min(0, 'not below 0')
    .default(0)
    .describe('how much better a loss must be to count'),
  loadBestModelAtEnd: z
    .boolean('true or false')
    .default(true)
    .describe('end with the best evaluated adapter, not the last'),
  saveSteps: count('the number of steps')
    .min(0, 'not below 0')
    .default(50)
    .describe('keep a checkpoint every so many steps; 0: never'),
  precision: z
    .enum(['f32', 'bf16'], { error: 'choose f32 or bf16' })
    .optional()
    .describe("f32 or bf16 (the checkpoint's own)"),
  loraR: count('the rank').min(1, 'the rank is at least 1').default(8).describe('rank of the adapter'),
  loraAlpha: real('alpha')
    .gt(0, 'must be above 0')
    .default(8)
    .describe('the adapter is scaled by lora_alpha / r'),
  loraDropout: real('the dropout')
    .min(0, 'must lie in [0, 1)')
    .lt(1, 'must lie in [0, 1)')
    .default(0)
    .describe("dropout on the adapter's input"),
  targetModules: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
      error: 'give names, all-linear, or one regular expression',
    })
    .default('all-linear')
    .describe('names, all-linear, or one regular expression for the whole name'),
});

export type TrainingOptions = Readonly<z.output<typeof trainingOptionsSchema>>;

/** Parses training options in any spelling; see {@link parseOptions}. */
export function parseTrainingOptions(
  input: Readonly<Record<string, unknown>>,
  spelling?: Spelling,
): TrainingOptions {
  return parseOptions(trainingOptionsSchema, input, spelling);
}

export const trainingDefaults: TrainingOptions = parseTrainingOptions({});

/** Steps when neither `max_steps` nor `num_train_epochs` is given. */
const defaultSteps = 500;

/** How many optimizer steps these options mean, where one pass over the training set takes `stepsPerEpoch`. */
export function totalSteps(
  options: Pick<TrainingOptions, 'maxSteps' | 'numTrainEpochs'>,
  stepsPerEpoch: number,
): number {
  if (options.maxSteps !== undefined) return options.maxSteps;
  if (options.numTrainEpochs === undefined) return defaultSteps;
  return Math.max(1, Math.ceil(options.numTrainEpochs * stepsPerEpoch));
}
