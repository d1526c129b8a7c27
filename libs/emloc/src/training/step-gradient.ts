/**
 * Loss and gradient of one optimizer step: the mean over the labelled tokens of the whole batch, all micro-batches
 * together, so that accumulation gives exactly what one large batch gives.
 */
import { settleMemory, streamCount, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import {
  backwardPass,
  forwardPass,
  groupsUpTo,
  lossPass,
  paysSideBySide,
  prepareBatch,
  sharedPrefix,
  type Batch,
  type ModelOf,
  type TokenRow,
  type WeightSource,
} from '@emloc/models';
import { breathe } from '../cancel.ts';
import { adapterLinears } from '../lora/adapter-linears.ts';
import { tokenStateBytes } from '../state-bytes.ts';
import type { LoraAdapter } from '../lora/lora-adapter.ts';
import type { LoraGradients } from '../lora/lora-gradients.ts';

export interface StepRequest {
  readonly source: WeightSource;
  readonly adapter: LoraAdapter;
  readonly gradients: LoraGradients;
  readonly microBatches: readonly (readonly TokenRow[])[];
  readonly step: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface StepLoss {
  readonly loss: number;
  readonly labelled: number;
  readonly tokens: number;
}

/** Sums the gradient of the step into `gradients`. */
export async function stepGradient(request: StepRequest): Promise<StepLoss> {
  const { source, microBatches, step } = request;
  settleMemory(performance.now(), 1000);
  const batches: Batch[] = [];
  try {
    // A dropout mask is drawn for each token of each micro-batch, as they were given.
    const isPlain = request.adapter.settings.loraDropout === 0;
    for (const rows of isPlain ? mergeMicroBatches(source, microBatches) : microBatches) {
      batches.push(
        prepareBatch(source, rows, source.activationDtype, { sharePrefix: isPlain, padRows: isPlain }),
      );
    }
    const labelled = batches.reduce((sum, batch) => sum + batch.targets.labels.length, 0);
    const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0);
    if (labelled === 0) {
      throw new EmlocError(
        'INVALID_ARGUMENT',
        'NO_LABELLED_TOKENS',
        `no token of step ${step + 1} carries a loss`,
        {
          field: 'data',
          mend: 'remove rows whose labels are all -100',
        },
      );
    }
    let lossSum = 0;
    let first = 0;
    for (const wave of waves(source, batches)) {
      lossSum += await waveGradient(request, wave, first, 1 / labelled);
      first += wave.length;
    }
    return { loss: lossSum / labelled, labelled, tokens };
  } finally {
    for (const batch of batches) batch.dispose();
  }
}

/** Inputs of layers kept for the backward pass at once, where weights are resident. */
export const keptInputBytes = 48 * 2 ** 20;

/**
 * Rows of activations that are worked on at once, all streams together: micro-batches are put together up to it, for
 * larger products, fewer of them, and a prefix shared by more rows. What all rows of one begin with counts once.
 */
export const mergedTokens = 640;

/**
 * The rows of a step cut anew into as many micro-batches for each stream (one, where more do not pay), near in length to
 * each other: the loss is summed over all of them anyway. Dealt out by length, so that those of the streams are of nearly the same shape.
 */
export const mergeMicroBatches = (
  source: ModelOf,
  microBatches: readonly (readonly TokenRow[])[],
  streams = streamCount(),
): TokenRow[][] => {
  const rows = microBatches.flat().sort((a, b) => b.inputIds.length - a.inputIds.length);
  const shared = sharedPrefix(
    source,
    rows.map(({ inputIds }) => inputIds),
  );
  const own = rows.reduce((sum, { inputIds }) => sum + inputIds.length - shared, 0);
  const beside = paysSideBySide(source.config, own, streams) ? streams : 1;
  const atOnce = Math.max(1, mergedTokens - beside * shared);
  const count = Math.min(rows.length, beside * Math.ceil(own / atOnce));
  return Array.from({ length: count }, (_, i) => rows.filter((_row, place) => place % count === i));
};

/**
 * Micro-batches that go through a layer together. Visiting streamed weights is dear: all of them. Visiting resident
 * ones costs at most a conversion: as many as keep few inputs.
 */
function waves(source: WeightSource, batches: readonly Batch[]): Batch[][] {
  const rowBytes = source.mode === 'streamed' ? 0 : source.config.numLayers * tokenStateBytes(source);
  return groupsUpTo(batches, keptInputBytes, ({ rows }) => rowBytes * rows);
}

async function waveGradient(
  { source, adapter, gradients, step, seed, signal }: StepRequest,
  batches: readonly Batch[],
  first: number,
  weight: number,
): Promise<number> {
  const { loraDropout } = adapter.settings;
  const linears = adapterLinears(source, adapter, (micro) => ({
    gradients,
    fold: true,
    ...(loraDropout === 0 ? {} : { dropout: { probability: loraDropout, seed, step, micro: first + micro } }),
  }));
  const afterLayer = () => breathe(signal);
  const pass = await forwardPass(source, batches, linears, { keepInputs: true, afterLayer });
  let dHidden: readonly Tensor[] = [];
  try {
    const loss = lossPass(source, batches, pass.hidden, { gradientScale: weight });
    dHidden = loss.dHidden;
    for (const h of pass.hidden) h.dispose();
    await breathe(signal);
    await backwardPass(source, batches, pass.inputs, dHidden, linears, { afterLayer });
    return loss.lossSum;
  } finally {
    pass.dispose();
    for (const d of dHidden) d.dispose();
  }
}
