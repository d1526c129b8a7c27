/** Learning-rate schedules with linear warm-up, step for step as Hugging Face's: step 0 of a warm-up has rate 0. */
import type { TrainingOptions } from '../options/training-options.ts';

export interface Schedule {
  readonly type: TrainingOptions['lrSchedulerType'];
  readonly peak: number;
  readonly totalSteps: number;
  readonly warmupSteps: number;
}

/** Share of the steps that warm up where nothing else is asked (paper, section 4.1). */
const defaultWarmupRatio = 0.03;

export function scheduleOf(
  options: Pick<TrainingOptions, 'lrSchedulerType' | 'learningRate' | 'warmupSteps' | 'warmupRatio'>,
  totalSteps: number,
): Schedule {
  const type = options.lrSchedulerType;
  const ratio = options.warmupRatio ?? (type === 'constant' ? 0 : defaultWarmupRatio);
  return {
    type,
    peak: options.learningRate,
    totalSteps,
    warmupSteps: options.warmupSteps ?? Math.ceil(totalSteps * ratio),
  };
}

/** The rate of optimizer step `step`, counted from 0. */
export function learningRateAt(step: number, { type, peak, totalSteps, warmupSteps }: Schedule): number {
  if (step < warmupSteps) return (peak * step) / warmupSteps;
  const done = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  switch (type) {
    case 'cosine':
      return peak * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * done)));
    case 'linear':
      return peak * Math.max(0, 1 - done);
    default:
      return peak;
  }
}
