/**
 * What an operation's process did, as a row of spans without gaps: each lap ends where the next begins, so that a second
 * that nothing accounts for can be seen. A process has one operation, hence one row. Without telemetry a lap costs nothing.
 */
import { addSpan, type Attributes } from '@emloc/mesh/telemetry';
import type { TrainingStep, WorkerEvent } from '../operations/events.ts';

/** A training is at most so many spans, however many steps it has. */
const maxStepSpans = 50;

const now = (): number => performance.timeOrigin + performance.now();

let since = now();
let firstStep: number | undefined;

/** The work begins; what was before it is the start of the process. */
export function beginLaps(): void {
  since = now();
  firstStep = undefined;
}

/** What was done since the last lap. */
export function lap(name: string, attributes: Attributes = {}): void {
  const startedAt = since;
  since = now();
  addSpan(name, attributes, { startedAt, endedAt: since });
}

/** Laps that the events of the work imply. */
export function lapOfEvent(event: WorkerEvent): void {
  if ('linearCompression' in event) {
    const { module, rank, ratio, relativeTruncationLoss: loss } = event.linearCompression;
    const about = { 'emloc.module': module, 'emloc.rank': rank, 'emloc.ratio': ratio };
    return lap('compress linear', { ...about, 'emloc.truncation_loss': loss });
  }
  if ('trainingStep' in event) return lapOfSteps(event.trainingStep);
  if ('trainingEvaluation' in event) {
    return lap('evaluate held-out rows', { 'emloc.loss': event.trainingEvaluation.loss });
  }
  if (!('progress' in event)) return;
  const { stage, step, totalSteps } = event.progress;
  // Those two have laps of their own.
  if (stage === 'train' || stage === 'compress') return;
  lap(stage, { 'emloc.step': step, 'emloc.steps': totalSteps });
}

function lapOfSteps({ step, totalSteps, loss, tokens, seconds }: TrainingStep): void {
  firstStep ??= step;
  const size = Math.ceil(totalSteps / maxStepSpans);
  if (step < totalSteps && step % size !== 0) return;
  lap('training steps', {
    'emloc.step.first': firstStep,
    'emloc.step': step,
    'emloc.steps': totalSteps,
    'emloc.loss': loss,
    ...(seconds > 0 ? { 'emloc.tokens_per_second': tokens / seconds } : {}),
  });
  firstStep = undefined;
}
