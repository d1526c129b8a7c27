/** Fetching, sending, unpacking and converting as lines of progress, with the time that is left at the speed so far. */
import type { PullProgress } from '@emloc/models';
import type { Output } from '../output/output.ts';
import type { ProgressUpdate } from '../output/progress.ts';

/** Before so much time has passed, a speed says nothing. */
const settledMs = 2_000;

type Shown = Omit<PullProgress, 'phase'> & { readonly phase: PullProgress['phase'] | 'upload' };

export function showFetching(output: Output, now = Date.now): (progress: Shown) => void {
  let begin: { stage: string; ms: number; bytes: number } | undefined;
  return ({ phase, what, doneBytes, totalBytes }) => {
    const stage = stageOf(phase, what);
    if (begin?.stage !== stage) begin = { stage, ms: now(), bytes: doneBytes };
    const passedMs = now() - begin.ms;
    const gotBytes = doneBytes - begin.bytes;
    const remainingSeconds =
      totalBytes === undefined || gotBytes <= 0 || passedMs < settledMs
        ? undefined
        : ((totalBytes - doneBytes) * passedMs) / gotBytes / 1e3;
    const update: ProgressUpdate =
      phase === 'wait'
        ? { stage }
        : { stage, done: doneBytes, total: totalBytes, unit: 'bytes', remainingSeconds };
    output.progress(update);
  };
}

function stageOf(phase: Shown['phase'], what: string): string {
  if (phase === 'wait') return `${what} is being fetched by another process`;
  return phase === 'import' ? 'convert the model' : `${phase} ${what}`;
}
