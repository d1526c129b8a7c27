/**
 * The baseline that every stage is held against: inference with the original, its weights resident, micro-batch by
 * micro-batch at the lengths of the run, the logits in slices as in training. Best in a process of its own.
 */
import {
  forwardPass,
  lossPass,
  plainLinears,
  prepareBatch,
  type TokenRow,
  type WeightSource,
} from '@emloc/models';
import { breathe } from '../cancel.ts';
import { measurePeak, type MeasuredPeak } from './measure-peak.ts';

export function measureInference(
  source: WeightSource,
  microBatches: readonly (readonly TokenRow[])[],
  signal?: AbortSignal,
): Promise<MeasuredPeak> {
  return measurePeak(async (meter) => {
    for (const rows of microBatches) {
      const batch = prepareBatch(source, rows, source.activationDtype);
      try {
        const forward = await forwardPass(source, [batch], (_, weights) => plainLinears(weights), {
          afterLayer: () => breathe(signal),
        });
        try {
          meter.sample();
          lossPass(source, [batch], forward.hidden, { matches: true });
          meter.sample();
        } finally {
          forward.dispose();
        }
      } finally {
        batch.dispose();
      }
    }
  });
}
