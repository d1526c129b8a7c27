/** An operation's event as people see it while they wait. */
import { formatBytes, formatNumber } from '../output/format.ts';
import type { Output } from '../output/output.ts';
import type { ProgressUpdate } from '../output/progress.ts';
import type { OperationEvent, Progress } from '../wire/operation.ts';

export function showEvent(output: Output, event: OperationEvent, stage?: string): void {
  if (event.progress) return output.progress(progressUpdate(event.progress, stage));
  if (event.prediction) {
    return output.note(
      `${stage === undefined ? '' : `${stage}: `}predicted peak ${formatBytes(event.prediction.peakResidentBytes)}`,
    );
  }
  if (event.trainingEvaluation) {
    const { step, loss, best } = event.trainingEvaluation;
    return output.note(
      `step ${step}: loss ${formatNumber(loss)} on the held-out rows${best ? ', the best so far' : ''}`,
    );
  }
  if (event.candidateEvaluation) {
    const { name, loss, rows } = event.candidateEvaluation;
    return output.note(`candidate ${name}: loss ${formatNumber(loss)} on ${rows} held-out rows`);
  }
  if (event.stateChanged?.state === 'OPERATION_STATE_QUEUED' && event.stateChanged.error) {
    const { message } = event.stateChanged.error;
    return output.warn(
      `${stage === undefined ? '' : `${stage}: `}${message}; attempt ${event.attempt + 1} goes on from the last checkpoint`,
    );
  }
  if (event.notice)
    return event.notice.warning ? output.warn(event.notice.text) : output.note(event.notice.text);
}

export function progressUpdate(progress: Progress, stage?: string): ProgressUpdate {
  const { step, totalSteps, loss, tokensPerSecond, remainingSeconds, peakResidentBytes, residentBytes } =
    progress;
  return {
    stage: stageName(progress.stage, stage),
    done: step,
    total: totalSteps === 0 ? undefined : totalSteps,
    loss,
    tokensPerSecond,
    remainingSeconds,
    memoryBytes: peakResidentBytes ?? residentBytes,
  };
}

/** `refine` of a job may be doing `train`: both are said, but nothing twice. */
function stageName(doing: string, stage: string | undefined): string {
  if (stage === undefined || doing === '' || doing === stage) return stage ?? doing;
  return doing.startsWith(stage) ? doing : `${stage}: ${doing}`;
}
