/** What a job will do, decided once: how many steps on the emulator, how many exact ones. */
import { EmlocError } from '@emloc/errors';
import { isUncompressed, type SpecFields } from './spec.ts';

/** emloc.training.v1.PlanTrainingResponse. */
export interface TrainingOutlook {
  readonly rows: number;
  readonly tokens: number;
  readonly longestRow: number;
  readonly evalRows: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly adapterParameters: number;
  readonly residentPeakBytes: number;
  readonly streamedPeakBytes: number;
  readonly inferencePeakBytes: number;
  readonly modelDigest: string;
  readonly datasetDigest: string;
  readonly evalDatasetDigest: string;
}

export interface JobPlan {
  readonly outlook: TrainingOutlook;
  /** 0: there is no emulator, all steps are exact. */
  readonly emulatorSteps: number;
  /** Exact steps after the correction; 0 where all steps are exact, for those are the training itself. */
  readonly refineSteps: number;
}

export const usesEmulator = (plan: JobPlan): boolean => plan.emulatorSteps > 0;

export function planJob(spec: SpecFields, outlook: TrainingOutlook): JobPlan {
  const { totalSteps } = outlook;
  const refineSteps = spec.refineSteps ?? Math.floor(totalSteps / 2);
  if (refineSteps > totalSteps) {
    throw new EmlocError(
      'INVALID_ARGUMENT',
      'BAD_FIELD',
      `${refineSteps} of ${totalSteps} steps cannot be exact`,
      {
        field: 'spec.refine_steps',
        value: String(refineSteps),
        mend: `choose at most ${totalSteps}, or more max_steps`,
      },
    );
  }
  if (isUncompressed(spec) || refineSteps === totalSteps)
    return { outlook, emulatorSteps: 0, refineSteps: 0 };
  return { outlook, emulatorSteps: totalSteps - refineSteps, refineSteps };
}
