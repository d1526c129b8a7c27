/**
 * How much memory a stage needs at its highest, from shapes alone: no weights are read, no TensorFlow is started.
 * Every stage is the sum of its parts, so that a report can say what to turn. Limits: an estimate, made to be a little
 * too high; what the allocator keeps back and what the tensor library caches is one constant.
 */
import { dtypeBytes } from '@emloc/tensor-stream';
import { decoderLinears, type DecoderLinear, type HasArchitecture } from '../decoder-linears.ts';
import { loraLayout } from '../lora/lora-layout.ts';
import { selectTargets, type TargetModules } from '../lora/target-modules.ts';
import { rankOf } from '../ratios/rank.ts';
import { keptInputBytes } from '../training/step-gradient.ts';

export type Stage =
  | 'inference'
  | 'calibration'
  | 'compression'
  | 'training'
  | 'refinement'
  | 'correction'
  | 'selection'
  | 'merge';

/** What the prediction depends on. Tokens are those of the rows that will really be used. */
export interface MemorySpec {
  readonly model: HasArchitecture;
  /** Are bf16 weights converted to be multiplied (`halfPrecision() === 'cast'`)? */
  readonly convertsWeights: boolean;
  /** Of the largest micro-batch, all its rows together. */
  readonly microBatchTokens: number;
  /** Of the longest row. */
  readonly sequenceTokens: number;
  /** Micro-batches of a step (1). */
  readonly microBatches?: number;
  /** Labelled tokens of the micro-batches of a step (all tokens). */
  readonly labelledTokens?: number;
  /** Of the emulator (1: none). */
  readonly ratio?: number;
  readonly lora?: { readonly r: number; readonly targetModules: TargetModules };
  /** Of the calibration set. */
  readonly calibrationTokens?: number;
  /** Adapters that the choice compares. */
  readonly candidates?: number;
}

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
/** JavaScript's heap while working, freed memory that the allocator keeps, primitives that TensorFlow caches. */
const slackBytes = 72 * mebi;
/** Logits of a slice, their gradient, and the converted part of the output matrix. */
const headSliceBytes = 32 * mebi;
/** Hidden states of a sweep over held-out rows (evaluation/sweep.ts). */
const sweepStateBytes = 32 * mebi;

export function predictPeak(stage: Stage, spec: MemorySpec): MemoryPrediction {
  const s = sizes(spec);
  const head = headBytes(spec, s, stage === 'training' || stage === 'refinement');
  const state = s.rowBytes * spec.microBatchTokens;
  const layer = s.layerBytes + s.convertedLayerBytes;
  switch (stage) {
    case 'inference':
      return total({
        weights: s.originalBytes,
        convertedLayer: s.convertedLayerBytes,
        hiddenStates: 2 * state,
        insideLayer: insideForward(spec),
        head,
      });
    case 'calibration':
      return total({
        layer,
        hiddenStates: s.rowBytes * ((spec.calibrationTokens ?? 0) + spec.microBatchTokens),
        insideLayer: insideForward(spec),
        grams: s.gramBytes + s.largestGramBytes,
      });
    case 'compression':
      return total({ grams: s.gramBytes, decomposition: decompositionBytes(s.linears) });
    case 'training':
      return training(spec, s, head, s.emulatorBytes, s.convertedEmulatorLayerBytes);
    case 'refinement':
      return training(
        spec,
        s,
        head,
        Math.max(layer - s.convertedLayerBytes, s.headBytes),
        s.convertedLayerBytes,
      );
    case 'correction':
      return total({ adapters: 3 * s.loraBytes, decomposition: 8 * mebi + 10 * s.largestLinearNumbers });
    case 'selection':
      return total({
        layer: Math.max(layer, s.headBytes),
        adapters: (spec.candidates ?? 7) * 2 * s.loraBytes,
        hiddenStates: 2 * Math.max(sweepStateBytes, (spec.candidates ?? 7) * state),
        insideLayer: insideForward(spec),
        head,
      });
    case 'merge':
      return total({ adapters: 2 * s.loraBytes, weights: 12 * s.largestLinearNumbers });
  }
}

/** Activations and the optimizer's vectors are never high at the same time. */
function training(
  spec: MemorySpec,
  s: Sizes,
  head: number,
  weights: number,
  convertedLayer: number,
): MemoryPrediction {
  const { microBatches = 1, microBatchTokens } = spec;
  const perMicro = s.rowBytes * microBatchTokens;
  const fitting = Math.max(1, Math.floor(keptInputBytes / (perMicro * s.layers)));
  const together = weights === s.emulatorBytes ? Math.min(microBatches, fitting) : microBatches;
  const pass = {
    keptInputs: perMicro * together * (s.layers + 2),
    insideLayer: convertedLayer + insideBackward(spec),
    head,
  };
  const update = { update: 6 * s.loraBytes };
  const passBytes = pass.keptInputs + Math.max(pass.insideLayer, head);
  const common = {
    weights,
    // Parameters and their pieces, two moments, gradients.
    adapterAndOptimizer: 5 * s.loraBytes,
  };
  if (passBytes < update.update) return total({ ...common, ...update });
  return total({
    ...common,
    keptInputs: pass.keptInputs,
    insideLayer: pass.insideLayer > head ? pass.insideLayer : 0,
    head: pass.insideLayer > head ? 0 : head,
  });
}

interface Sizes {
  readonly linears: readonly DecoderLinear[];
  readonly layers: number;
  /** One hidden state of one token. */
  readonly rowBytes: number;
  readonly originalBytes: number;
  readonly emulatorBytes: number;
  readonly layerBytes: number;
  readonly headBytes: number;
  readonly convertedLayerBytes: number;
  readonly convertedEmulatorLayerBytes: number;
  readonly largestLinearNumbers: number;
  readonly gramBytes: number;
  readonly largestGramBytes: number;
  readonly loraBytes: number;
}

function sizes({ model, convertsWeights, ratio = 1, lora }: MemorySpec): Sizes {
  const { config } = model;
  const all = decoderLinears(model);
  const linears = all.filter(({ layer }) => layer === 0);
  const bytes = dtypeBytes[config.dtype];
  const numbers = linears.map(({ inFeatures, outFeatures }) => inFeatures * outFeatures);
  const layerNumbers = sum(numbers);
  const emulatorNumbers = sum(linears.map((linear) => factorNumbers(linear, ratio)));
  const matrix = config.vocabSize * config.hiddenSize * bytes;
  const ends = matrix * (config.tieWordEmbeddings ? 1 : 2);
  const converts = config.dtype === 'f16' || (config.dtype === 'bf16' && convertsWeights);
  const sides = new Map(linears.map(({ inputGroup, inFeatures }) => [inputGroup, inFeatures ** 2 * 4]));
  return {
    linears,
    layers: config.numLayers,
    rowBytes: config.hiddenSize * 4,
    originalBytes: ends + layerNumbers * bytes * config.numLayers,
    emulatorBytes: ends + emulatorNumbers * bytes * config.numLayers,
    layerBytes: layerNumbers * bytes,
    headBytes: matrix,
    convertedLayerBytes: converts ? layerNumbers * 4 : 0,
    convertedEmulatorLayerBytes: converts ? emulatorNumbers * 4 : 0,
    largestLinearNumbers: Math.max(...numbers),
    gramBytes: sum([...sides.values()]),
    largestGramBytes: Math.max(...sides.values()),
    loraBytes: lora === undefined ? 0 : 4 * loraLayout(selectTargets(all, lora.targetModules), lora.r).size,
  };
}

const factorNumbers = ({ inFeatures, outFeatures }: DecoderLinear, ratio: number): number =>
  ratio === 1
    ? inFeatures * outFeatures
    : rankOf(outFeatures, inFeatures, ratio) * (inFeatures + outFeatures);

function headBytes(
  { model, microBatchTokens, labelledTokens, convertsWeights }: MemorySpec,
  s: Sizes,
  gradient: boolean,
) {
  const { vocabSize, dtype } = model.config;
  const rows = labelledTokens ?? microBatchTokens;
  const slice = Math.min(headSliceBytes, rows * vocabSize * 4);
  const converted = dtype !== 'f32' && convertsWeights ? Math.min(headSliceBytes, 2 * s.headBytes) : 0;
  return slice * (gradient ? 3 : 2) + converted;
}

/** The inside of a layer for one micro-batch: gate, up and what becomes of them; queries, keys, values; scores. */
function insideForward(spec: MemorySpec): number {
  const { hiddenSize: D, intermediateSize: F } = spec.model.config;
  return 4 * spec.microBatchTokens * (5 * F + 8 * D) + 3 * scoreBytes(spec);
}

function insideBackward(spec: MemorySpec): number {
  const { hiddenSize: D, intermediateSize: F } = spec.model.config;
  return 4 * spec.microBatchTokens * (9 * F + 14 * D) + 3 * scoreBytes(spec);
}

const scoreBytes = ({ model, microBatchTokens, sequenceTokens }: MemorySpec): number =>
  4 * model.config.numHeads * microBatchTokens * sequenceTokens;

/** Of the linear that needs most, in float64: the Gram and its factorisation, the weight's image, the eigenproblem. */
const decompositionBytes = (linears: readonly DecoderLinear[]): number =>
  Math.max(
    ...linears.map(
      ({ inFeatures: i, outFeatures: o }) => 8 * (3 * i * i + 3 * o * i + 4 * Math.min(o, i) ** 2),
    ),
  );

const mapped: ReadonlySet<string> = new Set(['weights', 'layer', 'libraries']);

function total(parts: Readonly<Record<string, number>>): MemoryPrediction {
  const all: Record<string, number> = {
    libraries: processBytes.shared,
    process: processBytes.private + slackBytes,
    ...Object.fromEntries(Object.entries(parts).filter(([, bytes]) => bytes > 0)),
  };
  return {
    totalBytes: sum(Object.values(all)),
    privateBytes: sum(Object.entries(all).map(([name, bytes]) => (mapped.has(name) ? 0 : bytes))),
    parts: all,
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The largest of `ratios` whose training fits in `budgetBytes`; `undefined` where none does. */
export function ratioThatFits(
  spec: MemorySpec,
  budgetBytes: number,
  ratios: readonly number[] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1],
): number | undefined {
  return ratios.find((ratio) => predictPeak('training', { ...spec, ratio }).totalBytes <= budgetBytes);
}
