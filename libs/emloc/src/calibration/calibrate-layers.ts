/**
 * Calibration (paper, section 3.2): all samples pass through ONE decoder layer at a time, whose Gram matrices are
 * handed over before the next layer is touched. The original outputs flow on. Memory: one layer's weights and Grams,
 * and the hidden states of the samples. The consumer pulls, so calibration cannot run ahead of it.
 */
import { keep, tidy, zeros, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import {
  mapSideBySide,
  plainLinears,
  prepareBatch,
  type Batch,
  type TokenRow,
  type WeightSource,
} from '@emloc/models';
import { breathe, throwIfCancelled } from '../cancel.ts';
import { decoderLinears, type DecoderLinear } from '../decoder-linears.ts';
import { traceOf } from '../matrix.ts';
import { packRows } from '../pack-rows.ts';
import { disposeGrams, type LayerGrams } from './layer-grams.ts';
import { GramObserver } from './gram-observer.ts';

export interface CalibrateOptions {
  /** Full names of the linears that need a Gram (all). */
  readonly modules?: ReadonlySet<string>;
  /** Tokens that are multiplied at once (256). */
  readonly tokensPerBatch?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CalibrateProgress) => void;
}

export interface CalibrateProgress {
  readonly layer: number;
  readonly layers: number;
  readonly tokens: number;
}

/** Yields each layer's Grams. They are ended when the next layer is pulled, or when the consumer stops. */
export async function* calibrateLayers(
  source: WeightSource,
  rows: readonly TokenRow[],
  options: CalibrateOptions = {},
): AsyncGenerator<LayerGrams, void, void> {
  if (rows.length === 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'NO_SAMPLES', 'the calibration set is empty', {
      field: 'data',
      mend: 'give at least one sample',
    });
  }
  const { config, activationDtype } = source;
  const linears = decoderLinears(source);
  const tokens = rows.reduce((sum, row) => sum + row.inputIds.length, 0);
  const batches: Batch[] = [];
  let states: Tensor[] = [];
  try {
    for (const pack of packRows(rows, options.tokensPerBatch)) {
      batches.push(prepareBatch(source, pack.rows, activationDtype));
    }
    states = batches.map((batch) =>
      source.withEmbedding((weights) =>
        source.architecture.embed(weights, batch.ids, batch.context.positions, activationDtype, config),
      ),
    );
    for (let layer = 0; layer < config.numLayers; layer += 1) {
      throwIfCancelled(options.signal);
      const wanted = linears.filter(
        (linear) => linear.layer === layer && (options.modules?.has(linear.module) ?? true),
      );
      const { grams, rows: seen } = passLayer(source, layer, batches, states, wanted);
      try {
        assertFinite(grams);
        options.onProgress?.({ layer, layers: config.numLayers, tokens });
        const gramOf = new Map(wanted.map(({ module, inputGroup }) => [module, inputGroup]));
        yield { layer, grams, gramOf, rows: seen };
      } finally {
        disposeGrams(grams);
      }
      await breathe(options.signal);
    }
  } finally {
    for (const state of states) state.dispose();
    for (const batch of batches) batch.dispose();
  }
}

export interface CalibrateCallbacks extends CalibrateOptions {
  /** Sees each layer's Grams, which are ended when it returns. */
  readonly onLayer: (grams: LayerGrams) => void | Promise<void>;
}

/** The same with a callback in place of a consumer. */
export async function calibrate(
  source: WeightSource,
  rows: readonly TokenRow[],
  options: CalibrateCallbacks,
): Promise<void> {
  for await (const grams of calibrateLayers(source, rows, options)) await options.onLayer(grams);
}

/**
 * Moves every state through the layer, in place, and returns the Grams by full name of the group's first linear, and how
 * many rows each was summed over. A Gram that no row came to is zero.
 */
function passLayer(
  source: WeightSource,
  layer: number,
  batches: readonly Batch[],
  states: Tensor[],
  wanted: readonly DecoderLinear[],
): { grams: Map<string, Tensor>; rows: Map<string, number> } {
  const { architecture, config } = source;
  const groups = new Set(wanted.map(({ inputGroup }) => inputGroup));
  const observer = new GramObserver(
    new Set(
      architecture
        .linears(config, layer)
        .map(({ name }) => name)
        .filter((name) => groups.has(architecture.moduleName(layer, name))),
    ),
  );
  try {
    source.withLayer(layer, (weights) => {
      const watched = observer.watch(plainLinears(weights));
      mapSideBySide(config, batches, (batch, i) => {
        const old = states[i] as Tensor;
        states[i] = tidy(() =>
          architecture.layerForward(old, weights, watched, batch.context.layer(layer), config),
        );
        old.dispose();
      });
    });
  } catch (error) {
    disposeGrams(observer.take());
    throw error;
  }
  const fullName = ([name, value]: readonly [string, Tensor | number]) =>
    [architecture.moduleName(layer, name), value] as const;
  const seen = new Map([...observer.take()].map(fullName)) as Map<string, Tensor>;
  const counted = new Map([...observer.rows].map(fullName)) as Map<string, number>;
  const result = { grams: new Map<string, Tensor>(), rows: new Map<string, number>() };
  for (const { inputGroup, inFeatures } of wanted) {
    if (result.grams.has(inputGroup)) continue;
    const none = (): Tensor => keep(zeros([inFeatures, inFeatures], source.activationDtype));
    result.grams.set(inputGroup, seen.get(inputGroup) ?? none());
    result.rows.set(inputGroup, counted.get(inputGroup) ?? 0);
  }
  return result;
}

function assertFinite(grams: ReadonlyMap<string, Tensor>): void {
  for (const [module, gram] of grams) {
    if (Number.isFinite(traceOf(gram))) continue;
    throw new EmlocError('FAILED_PRECONDITION', 'NOT_FINITE', `the inputs of ${module} are NaN or infinite`, {
      field: 'model',
      value: module,
      mend: 'the weights of this or an earlier layer hold NaN or infinity; fetch the model again',
    });
  }
}
