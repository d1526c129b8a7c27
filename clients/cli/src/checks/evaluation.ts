/** Options of the evaluation during training that need one another. */
import type { TypedTraining } from '../options/training-request.ts';
import { UsageError } from '../usage-error.ts';

/** `ownRows`: whether held-out rows have to be given, and are not taken from the data. */
export function checkEvaluation(
  { evalData, evalSteps, earlyStoppingPatience }: TypedTraining,
  ownRows: boolean,
): void {
  if (ownRows && evalSteps !== undefined && evalData === undefined) {
    throw new UsageError('MISSING_OPTION', '--eval-steps needs held-out rows', {
      field: '--eval-data',
      mend: 'give --eval-data',
    });
  }
  if (earlyStoppingPatience !== undefined && evalSteps === undefined) {
    const message = '--early-stopping-patience counts evaluations, and none are made';
    throw new UsageError('MISSING_OPTION', message, {
      field: '--eval-steps',
      mend: ownRows ? 'give --eval-steps and --eval-data' : 'give --eval-steps',
    });
  }
}
