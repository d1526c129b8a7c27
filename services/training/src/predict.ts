/** The peak of a training, from the shapes of its weights and the batches that it will really see. */
import {
  decoderLinears,
  predictPeak,
  ratioThatFits,
  type MemoryPrediction,
  type MemorySpec,
  type TrainingOptions,
} from '@emloc/emloc';
import { halfPrecision } from '@emloc/engine';
import type { ModelDirectory } from '@emloc/models';
import type { Batches } from './batches.ts';

export function memorySpec(model: ModelDirectory, options: TrainingOptions, batches: Batches): MemorySpec {
  return {
    model,
    convertsWeights: halfPrecision() === 'cast',
    microBatchTokens: batches.microBatchTokens,
    sequenceTokens: batches.longest,
    microBatches: batches.microBatches,
    labelledTokens: Math.min(batches.labelledTokens, batches.microBatchTokens),
    ratio: effectiveRatio(model),
    lora: { r: options.loraR, targetModules: options.targetModules },
  };
}

export const predictTraining = (spec: MemorySpec, mode: 'resident' | 'streamed'): MemoryPrediction =>
  predictPeak(spec.ratio === 1 ? 'refinement' : 'training', { ...spec, resident: mode === 'resident' });

/** What would fit the budget, for the error that refuses. */
export function mendTraining(spec: MemorySpec, budgetBytes: number | undefined): string {
  const ratio = budgetBytes === undefined ? undefined : ratioThatFits(spec, budgetBytes);
  const smaller = 'use a smaller batch_size or max_seq_length, or stream the weights';
  return ratio === undefined ? smaller : `train on an emulator of ratio ${ratio}, or ${smaller}`;
}

/** The share of the linears' parameters that an emulator's factors hold, all linears together. */
function effectiveRatio(model: ModelDirectory): number {
  const modules = model.emulator?.modules;
  if (modules === undefined) return 1;
  let full = 0;
  let kept = 0;
  for (const { module, inFeatures, outFeatures } of decoderLinears(model)) {
    const rank = modules[module]?.rank;
    full += inFeatures * outFeatures;
    kept += rank === undefined ? inFeatures * outFeatures : rank * (inFeatures + outFeatures);
  }
  return kept / full;
}
