/**
 * How much memory a stage needs at its highest, from shapes alone: no weights are read, no TensorFlow is started.
 * Every stage is the sum of its parts, so that a report can say what to turn. Limits: an estimate, made to be a little
 * too high; what the allocator keeps back and what TensorFlow's kernels cache is one measured number a stage.
 */
import { DEFAULT_SLICE_BYTES, SIDE_BY_SIDE_ROWS } from '@emloc/models';
import { packedTokens } from '../pack-rows.ts';
import { defaultStateBytes } from '../evaluation/sweep.ts';
import { keptInputBytes, mergedTokens } from '../training/step-gradient.ts';
import { contextBytes, insideBackward, insideForward } from './inside-layer.ts';
import {
  decompositionBytes,
  headSliceTotal,
  stageSizes,
  sumOf,
  type MemorySpec,
  type StageSizes,
} from './stage-sizes.ts';

export type Stage =
  | 'inference'
  | 'generation'
  | 'calibration'
  | 'compression'
  | 'training'
  | 'refinement'
  | 'correction'
  | 'selection'
  | 'merge';

export interface MemoryPrediction {
  readonly totalBytes: number;
  /** Without what the system may drop and read again (mapped weights, library pages). */
  readonly privateBytes: number;
  /** What the total is made of; only parts that are there. */
  readonly parts: Readonly<Record<string, number>>;
}

const mebi = 2 ** 20;
/** Node and TensorFlow before any work (measured): private, and pages of the libraries. */
const processBytes = { private: 96 * mebi, shared: 308 * mebi };
/** JavaScript's heap, freed memory that the allocator keeps, caches of kernels by shape (measured, SmolLM2). */
const slackBytes: Readonly<Record<Stage, number>> = {
  inference: 40 * mebi,
  generation: 104 * mebi,
  calibration: 144 * mebi,
  compression: 72 * mebi,
  training: 80 * mebi,
  refinement: 80 * mebi,
  correction: 80 * mebi,
  selection: 96 * mebi,
  merge: 72 * mebi,
};
/** Parts that are pages of files. */
const mapped: ReadonlySet<string> = new Set(['weights', 'libraries']);

export function predictPeak(stage: Stage, spec: MemorySpec): MemoryPrediction {
  const parts: Record<string, number> = {
    libraries: processBytes.shared,
    process: processBytes.private + slackBytes[stage],
    ...partsOf(stage, spec, stageSizes(spec)),
  };
  const there = Object.entries(parts).filter(([, bytes]) => bytes > 0);
  return {
    totalBytes: sumOf(there.map(([, bytes]) => bytes)),
    privateBytes: sumOf(there.map(([name, bytes]) => (mapped.has(name) ? 0 : bytes))),
    parts: Object.fromEntries(there),
  };
}

function partsOf(stage: Stage, spec: MemorySpec, sizes: StageSizes): Record<string, number> {
  const head = headSliceTotal(spec, sizes, DEFAULT_SLICE_BYTES, false);
  const state = sizes.rowBytes * spec.microBatchTokens;
  /** Rows that are packed for passes without gradient; one long row is a micro-batch of its own. */
  const packed = Math.max(packedTokens, spec.sequenceTokens);
  switch (stage) {
    case 'inference':
      return {
        ...phases(sizes, sizes.originalBytes, {
          insideLayer: insideForward(spec, sizes, sideBySideTokens(spec.microBatchTokens)),
          head,
        }),
        convertedLayer: sizes.convertedLayerBytes,
        hiddenStates: 2 * state,
      };
    case 'generation': {
      const { resident = false, keepsConverted = false } = spec;
      const kept = resident && keepsConverted;
      return {
        ...phases(sizes, resident ? sizes.originalBytes : undefined, {
          insideLayer: insideForward(spec, sizes),
          head,
        }),
        convertedWeights: kept ? sizes.convertedModelBytes : sizes.convertedLayerBytes,
        adapters: 2 * (spec.adapterBytes ?? 0),
        keyValueCache: spec.keyValueCacheBytes ?? 0,
        hiddenStates: 2 * state,
      };
    }
    case 'calibration': {
      const tokens = spec.calibrationTokens ?? 0;
      return {
        weights: sizes.layerBytes - sizes.copied.layer,
        copiedWeights: sizes.copied.layer,
        convertedLayer: sizes.convertedLayerBytes,
        hiddenStates: sizes.rowBytes * (tokens + packed),
        contexts: contextBytes(spec, sizes, tokens),
        // Sums of Grams are made one after the other, so micro-batches side by side are not at their highest together.
        insideLayer: insideForward(spec, sizes, packed),
        // Beside the sums so far a product; and a block that a smaller tensor has split.
        grams: sizes.gramBytes + 2 * sizes.largestGramBytes,
      };
    }
    case 'compression':
      return { grams: sizes.gramBytes, decomposition: decompositionBytes(sizes) };
    case 'training':
      return training(spec, sizes, false);
    case 'refinement':
      return training(spec, sizes, true);
    case 'correction':
      return { adapters: 3 * sizes.loraBytes, decomposition: 10 * sizes.largestLinearNumbers };
    case 'selection': {
      const { candidates = 7 } = spec;
      // Of the wave all labelled rows go through the head together.
      const wave = Math.max(defaultStateBytes, candidates * sizes.rowBytes * packed);
      const labelled = spec.labelledTokens ?? Math.floor(wave / sizes.rowBytes);
      return {
        ...phases(sizes, undefined, {
          insideLayer: insideForward(spec, sizes, sideBySideTokens(packed)),
          head: headSliceTotal(spec, sizes, DEFAULT_SLICE_BYTES, false, labelled),
        }),
        convertedLayer: sizes.convertedLayerBytes,
        adapters: candidates * sizes.loraBytes,
        hiddenStates: 2 * wave,
      };
    }
    case 'merge':
      return { adapters: 2 * sizes.loraBytes, merged: 12 * sizes.largestLinearNumbers };
  }
}

/**
 * Layers and the head, whichever need more, with the weights that are there then: all of them, or those in use.
 * They are mapped, but for what is copied.
 */
function phases(
  { layerBytes, headBytes, copied }: StageSizes,
  all: number | undefined,
  { insideLayer, head }: { readonly insideLayer: number; readonly head: number },
): Record<string, number> {
  const weights = (bytes: number, copiedWeights: number) => ({
    weights: Math.max(0, all === undefined ? bytes - copiedWeights : all - copied.all),
    copiedWeights: all === undefined ? copiedWeights : copied.all,
  });
  return higher(
    { ...weights(layerBytes, copied.layer), insideLayer },
    { ...weights(partOfHead(headBytes), partOfHead(copied.head)), head },
  );
}

/** Tokens that are worked on at once: small micro-batches go side by side, two of them on a processor. */
const sideBySideTokens = (tokens: number): number => (tokens > SIDE_BY_SIDE_ROWS ? tokens : 2 * tokens);

/** What is streamed of the output matrix at once; where all weights are there, it is among them. */
const partOfHead = (bytes: number): number => Math.min(bytes, DEFAULT_SLICE_BYTES);

/** Of two parts that are never high at the same time, the higher. */
const higher = (one: Record<string, number>, other: Record<string, number>): Record<string, number> =>
  sumOf(Object.values(one)) > sumOf(Object.values(other)) ? one : other;

/** On the emulator's weights, or exact steps on the original's. */
function training(spec: MemorySpec, sizes: StageSizes, exact: boolean): Record<string, number> {
  const { microBatches = 1, microBatchTokens, model, resident = false } = spec;
  const layers = model.config.numLayers;
  const state = sizes.rowBytes * microBatchTokens;
  const together = resident
    ? Math.min(microBatches, Math.max(1, Math.floor(keptInputBytes / (state * layers))))
    : microBatches;
  const converted = exact ? sizes.convertedLayerBytes : sizes.convertedEmulatorLayerBytes;
  const all = exact ? sizes.originalBytes : sizes.emulatorBytes;
  const keptInputs = state * together * (layers + 2);
  // Cut anew, so that the longest row is what may be more.
  const merged = Math.max(
    Math.min(mergedTokens, microBatches * microBatchTokens),
    Math.min(sideBySideTokens(spec.sequenceTokens), microBatches * microBatchTokens),
  );
  const labelled = together * (spec.labelledTokens ?? microBatchTokens);
  // An emulator's files are ours, and aligned.
  const weights = exact ? sizes : { ...sizes, copied: { all: 0, layer: 0, head: 0 } };
  const inside = phases(weights, resident ? all : undefined, {
    insideLayer: converted + insideBackward(spec, sizes, merged),
    head: headSliceTotal(spec, sizes, DEFAULT_SLICE_BYTES, true, labelled),
  });
  // Parameters, two moments, gradients; the A and B that layers use are pieces of the parameters.
  const adapterAndOptimizer = 4 * sizes.loraBytes;
  // None of them is high at the same time as the optimizer's vectors.
  return { adapterAndOptimizer, ...higher({ ...inside, keptInputs }, { update: 6 * sizes.loraBytes }) };
}

/** The largest of `ratios` whose training fits in `budgetBytes`; `undefined` where none does. */
export function ratioThatFits(
  spec: MemorySpec,
  budgetBytes: number,
  ratios: readonly number[] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1],
): number | undefined {
  return ratios.find((ratio) => predictPeak('training', { ...spec, ratio }).totalBytes <= budgetBytes);
}
