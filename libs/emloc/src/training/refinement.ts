/**
 * Refinement: after the correction, a few exact steps on the original with streamed layers, in the same data order.
 * The rate is warmed up anew over 2 steps to 0.8 of the peak, then falls by half a cosine to 0; without the new
 * warm-up most of the gain is lost (measured; see docs/decisions).
 */
import { EmlocError } from '@emloc/errors';
import type { RefinementOptions } from '../options/stage-options.ts';
import type { TrainingOptions } from '../options/training-options.ts';

const warmupSteps = 2;
const shareOfPeak = 0.8;
const shareOfSteps = 0.5;

export interface StepSplit {
  /** On the emulator. */
  readonly emulatorSteps: number;
  /** On the original. */
  readonly refineSteps: number;
}

/** How many of all steps are exact: half, unless told otherwise. */
export function splitSteps(
  steps: number,
  { refineSteps = Math.floor(steps * shareOfSteps) }: Pick<RefinementOptions, 'refineSteps'> = {
    refineSteps: undefined,
  },
): StepSplit {
  if (refineSteps > steps) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'BAD_OPTION',
      `${refineSteps} of ${steps} steps cannot be exact`,
      {
        field: 'refine_steps',
        value: String(refineSteps),
        mend: `choose at most ${steps}, or more max_steps`,
      },
    );
  }
  return { emulatorSteps: steps - refineSteps, refineSteps };
}

/** The options of the exact steps; everything but length and rate stays as it was on the emulator. */
export function refinementTrainingOptions(
  options: TrainingOptions,
  refineSteps: number,
  refineLearningRate = options.learningRate * shareOfPeak,
): TrainingOptions {
  return Object.freeze({
    ...options,
    maxSteps: refineSteps,
    learningRate: refineLearningRate,
    lrSchedulerType: 'cosine',
    warmupSteps: Math.min(warmupSteps, refineSteps - 1),
  });
}
