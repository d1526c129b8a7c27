/** Options of the stages other than training: calibration, compression, correction, refinement. */
import { z } from 'zod';

const ratio = z.number('a ratio is a number').gt(0, 'must lie in (0, 1]').max(1, 'must lie in (0, 1]');

export const calibrationOptionsSchema = z.strictObject({
  samples: z
    .int('the number of samples must be a whole number')
    .min(1, 'at least 1 sample is needed')
    .default(64)
    .describe("samples of the task's own training set"),
  seed: z.int('the seed must be a whole number').min(0, 'not below 0').default(42),
});

export const compressionOptionsSchema = z
  .strictObject({
    ratio: ratio.optional().describe('one ratio for all linears (0.5)'),
    ratios: z
      .record(z.string(), z.number('a ratio is a number'))
      .optional()
      .describe('pattern → ratio, the first match of the whole name wins'),
    method: z
      .enum(['activation-svd', 'svd'], { error: 'choose activation-svd or svd' })
      .default('activation-svd')
      .describe('activation-svd or svd'),
  })
  .refine(({ ratio, ratios }) => ratio === undefined || ratios === undefined, {
    path: ['ratios'],
    error: 'give ratio or ratios, not both',
  });

export const correctionOptionsSchema = z.strictObject({
  method: z
    .enum(['paper', 'none', 'auto'], { error: 'choose paper, none or auto' })
    .optional()
    .describe('paper, none or auto (auto where held-out rows are given, else paper)'),
  maxCorrectionRatio: z
    .number('must be a number')
    .min(0, 'not below 0')
    .default(3)
    .describe('limit λ of the correction, relative to the adapter'),
});

export const refinementOptionsSchema = z.strictObject({
  refineSteps: z
    .int('the number of steps must be a whole number')
    .min(0, 'not below 0')
    .optional()
    .describe('exact steps on the original (half of max_steps); 0: the pipeline as published'),
  refineLearningRate: z
    .number('the learning rate must be a number')
    .min(0, 'a learning rate is not negative')
    .optional()
    .describe('peak of the exact steps (0.8 of learning_rate)'),
});

export type CalibrationOptions = Readonly<z.output<typeof calibrationOptionsSchema>>;
export type CompressionOptions = Readonly<z.output<typeof compressionOptionsSchema>>;
export type CorrectionOptions = Readonly<z.output<typeof correctionOptionsSchema>>;
export type RefinementOptions = Readonly<z.output<typeof refinementOptionsSchema>>;
