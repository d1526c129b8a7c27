/**
 * Training of an adapter (paper, section 3.3): on the emulator, on the original (ratio 1), or exact steps on the
 * original after the correction (refinement) — the same loop over another weight source. Only the adapter changes.
 */
import { readMemory, settleMemory, toFloat32Array, toFloat64Array } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { TokenRow, WeightSource } from '@emloc/models';
import { throwIfCancelled } from '../cancel.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import type { LoraAdapter } from '../lora/lora-adapter.ts';
import { totalSteps, type TrainingOptions } from '../options/training-options.ts';
import { learningRateAt, scheduleOf } from '../optimizer/schedule.ts';
import type { TrainingPlan } from './training-plan.ts';
import { BestKeeper } from './best-keeper.ts';
import { assertSameRun, type Checkpoint } from './checkpoint.ts';
import { TrainingState, type Moments } from './training-state.ts';
import { Pace } from './pace.ts';
import type { TrainingEvent } from './training-event.ts';

export interface TrainRequest {
  readonly source: WeightSource;
  /** Trained in place. */
  readonly adapter: LoraAdapter;
  readonly plan: TrainingPlan;
  readonly options: TrainingOptions;
  /** For evaluation during training (`eval_steps`), early stop and the best adapter. */
  readonly evaluationRows?: readonly TokenRow[];
  /** Place of the first step in the plan: a refinement goes on where the emulator's steps ended. */
  readonly firstBatch?: number;
  /** Adam's moments to go on with, where the factors are the ones that they belong to. */
  readonly moments?: Moments;
  readonly resume?: Checkpoint;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainingEvent) => void | Promise<void>;
  /** Keeps a checkpoint; called every `save_steps`, at the end, and when the run is cancelled between two of them. */
  readonly saveCheckpoint?: (checkpoint: Checkpoint) => void | Promise<void>;
}

export interface TrainResult {
  readonly steps: number;
  readonly totalSteps: number;
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  readonly stoppedEarly: boolean;
  readonly best: { readonly step: number; readonly loss: number } | undefined;
  /** Adam's moments for a later run; absent where the adapter is not the last step's but an earlier, better one. */
  readonly moments: Moments | undefined;
}

export async function train(request: TrainRequest): Promise<TrainResult> {
  const { adapter, plan, options, resume, signal, firstBatch = 0 } = request;
  const steps = totalSteps(options, plan.stepsPerEpoch);
  if (resume !== undefined) {
    const { layout } = adapter;
    assertSameRun(resume, { options, layout, totalSteps: steps, firstBatch, planDigest: plan.digest });
  }
  using state = new TrainingState(adapter, options, request.moments, resume);
  const best = new BestKeeper(options, resume);
  const schedule = scheduleOf(options, steps);
  const pace = new Pace(steps);
  const losses: number[] = [];
  const gradNorms: number[] = [];
  let step = resume?.step ?? 0;
  let saved = step;
  let stoppedEarly = false;
  /** Of the last step, where it was saved, so that they are copied out once. */
  let savedMoments: Moments | undefined;

  const save = async (): Promise<void> => {
    if (request.saveCheckpoint === undefined || saved === step) return;
    settleMemory(performance.now(), 0); // what is saved is copied out first, and should not stand beside garbage
    const snapshot = state.snapshot();
    const { updates, firstMoment: first, secondMoment: second } = snapshot;
    if (step === steps || stoppedEarly) savedMoments = { updates, first, second };
    await request.saveCheckpoint({
      ...snapshot,
      ...best.snapshot(),
      step,
      totalSteps: steps,
      firstBatch,
      planDigest: plan.digest,
      options,
      modules: adapter.modules.map(({ module }) => module),
    });
    saved = step;
    await request.onEvent?.({ kind: 'checkpoint', step });
  };

  try {
    while (step < steps && !stoppedEarly) {
      throwIfCancelled(signal);
      const learningRate = learningRateAt(step, schedule);
      const begin = performance.now();
      const microBatches = plan.batchAt(firstBatch + step);
      const { source } = request;
      const { loss, gradNorm, tokens, labelled } = await state.step(
        { source, microBatches, step, signal },
        learningRate,
      );
      losses.push(loss);
      gradNorms.push(gradNorm);
      const { seconds, remainingSeconds } = pace.add(step, (performance.now() - begin) / 1000);
      await request.onEvent?.({
        kind: 'step',
        step,
        totalSteps: steps,
        loss,
        gradNorm,
        learningRate,
        tokens,
        labelledTokens: labelled,
        seconds,
        tokensPerSecond: tokens / seconds,
        remainingSeconds,
        memory: readMemory(),
      });
      step += 1;
      if (best.isDue(step, steps) && request.evaluationRows !== undefined) {
        stoppedEarly = await evaluateNow(request, best, step);
      }
      if (options.saveSteps > 0 && step % options.saveSteps === 0) await save();
    }
    await save();
  } catch (error) {
    // Between steps the state is whole, so a cancelled run loses no finished step.
    if (error instanceof EmlocError && error.code === 'CANCELLED') await save();
    throw error;
  }
  const moments = best.restore(adapter, step) ? undefined : (savedMoments ?? state.moments());
  return { steps: step, totalSteps: steps, losses, gradNorms, stoppedEarly, best: best.summary, moments };
}

/** Evaluates; true when patience has run out. */
async function evaluateNow(request: TrainRequest, best: BestKeeper, step: number): Promise<boolean> {
  const { source, adapter, evaluationRows = [], signal } = request;
  const { loss, perplexity } = await evaluate(source, adapter, evaluationRows, { signal });
  const values = () =>
    adapter.dtype === 'f64' ? toFloat64Array(adapter.parameters) : toFloat32Array(adapter.parameters);
  const isBest = best.offer(step, loss, values);
  await request.onEvent?.({ kind: 'evaluation', step, loss, perplexity, isBest });
  return best.isPatienceSpent;
}
