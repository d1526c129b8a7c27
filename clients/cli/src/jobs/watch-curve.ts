/** The losses of a job, drawn above its progress while it is watched on a terminal. */
import type { CommandContext } from '../context.ts';
import { LossCurve } from '../output/loss-curve.ts';
import type { FineTuneJobEvent } from '../wire/job.ts';

const mostRows = 10;
/** What else wants to be seen: the axis, the progress line, a few lines before them. */
const otherRows = 6;

export interface WatchCurve {
  readonly take: (event: FineTuneJobEvent) => void;
  /** As it is now; no lines where no terminal shows them. */
  readonly lines: () => readonly string[];
}

/** Where no terminal reads, there is no curve, and the progress comes as lines. */
export function watchCurve({ output, stderr, environment }: CommandContext): WatchCurve {
  const curve = new LossCurve();
  const { LC_ALL, LC_CTYPE, LANG } = environment;
  const unicode = /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
  const lines = (): readonly string[] =>
    stderr.isTTY === true
      ? curve.render({
          columns: (stderr.columns || 80) - 1,
          rows: Math.max(3, Math.min(mostRows, (stderr.rows ?? 24) - otherRows)),
          unicode,
        })
      : [];
  output.panel(lines);
  return {
    lines,
    take: ({ stageEvent }) => {
      if (!stageEvent) return;
      const { trainingStep: step, trainingEvaluation: evaluation } = stageEvent.event;
      if (step) curve.addStep(stageEvent.stage, step.step, step.loss);
      if (evaluation) curve.addEvaluation(stageEvent.stage, evaluation.step, evaluation.loss);
    },
  };
}
