/**
 * The metrics of a service's operations (docs/observability.md lists them). The numbers come from the events that the
 * processes write: a process has no port and no exporter of its own, and what it said before it was killed counts.
 */
import { counter, gauge, histogram, observe } from '@emloc/mesh';
import type { AttemptEnd, AttemptRun, OperationManager } from '@emloc/operations';
import type { WorkerEvent } from '../operations/events.ts';

/** From what the store knows already to a night's training. */
const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200];

const durations = histogram('emloc.operation.duration', {
  unit: 's',
  description: 'Duration of attempts at operations, by kind and how they ended.',
  buckets,
});
const waits = histogram('emloc.operation.queue.duration', {
  unit: 's',
  description: 'Time that operations waited for their turn.',
  buckets,
});
const retries = counter('emloc.operation.retries', {
  unit: '{retry}',
  description: 'Attempts that went on with an operation that had been begun before.',
});
const predicted = gauge('emloc.operation.memory.predicted', {
  unit: 'By',
  description: 'Peak resident memory that was predicted for the last operation of the kind.',
});
const measured = gauge('emloc.operation.memory.peak', {
  unit: 'By',
  description: 'Peak resident memory (VmHWM) of the process of the last operation of the kind, so far.',
});
const steps = counter('emloc.training.steps', { unit: '{step}', description: 'Optimizer steps done.' });
const tokens = counter('emloc.training.tokens', {
  unit: '{token}',
  description: 'Tokens of the batches that were trained on; its rate is tokens a second.',
});
const speed = gauge('emloc.training.throughput', {
  unit: '{token}/s',
  description: 'Tokens a second of the last optimizer step.',
});
const loss = gauge('emloc.training.loss', {
  unit: '{nat}',
  description: 'Mean cross entropy of the last optimizer step, in nats a token.',
});
const evaluated = gauge('emloc.training.evaluation.loss', {
  unit: '{nat}',
  description: 'Mean cross entropy of the held-out rows when last evaluated, in nats a token.',
});

/** Lengths are looked up when they are asked for. */
export function observeQueue(manager: OperationManager): void {
  const about = (kind: string) => ({ 'emloc.operation.kind': kind });
  observe(
    'emloc.operation.queue.length',
    { unit: '{operation}', description: 'Operations that wait for their turn in this process.' },
    () => manager.counts().map(({ kind, queued }) => ({ value: queued, attributes: about(kind) })),
  );
  observe(
    'emloc.operation.running',
    { unit: '{operation}', description: 'Operations whose process works.' },
    () => manager.counts().map(({ kind, running }) => ({ value: running, attributes: about(kind) })),
  );
}

export function countBegin({ kind, attempt, queuedAt }: AttemptRun): void {
  const about = { 'emloc.operation.kind': kind };
  waits.record((Date.now() - queuedAt.getTime()) / 1000, about);
  if (attempt > 1) retries.add(1, about);
}

export function countEvent({ kind }: AttemptRun, event: WorkerEvent): void {
  const about = { 'emloc.operation.kind': kind };
  if ('prediction' in event) predicted.record(event.prediction.peakResidentBytes, about);
  if ('progress' in event) {
    const { peakResidentBytes } = event.progress;
    if (peakResidentBytes !== undefined) measured.record(peakResidentBytes, about);
  }
  if ('trainingStep' in event) {
    const step = event.trainingStep;
    steps.add(1, about);
    tokens.add(step.tokens, about);
    loss.record(step.loss, about);
    if (step.seconds > 0) speed.record(step.tokens / step.seconds, about);
  }
  if ('trainingEvaluation' in event) evaluated.record(event.trainingEvaluation.loss, about);
}

export function countEnd({ kind }: AttemptRun, { state, usage, error }: AttemptEnd, seconds: number): void {
  const about = { 'emloc.operation.kind': kind };
  const failed = error === undefined ? {} : { 'error.type': error.reason };
  durations.record(seconds, { ...about, 'emloc.operation.state': state, ...failed });
  if (usage !== undefined && usage.peakRssBytes > 0) measured.record(usage.peakRssBytes, about);
}
