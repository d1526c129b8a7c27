/** Sizes that memory predictions are made of, from shapes alone (and where tensors lie in their files). */
import { dtypeBytes } from '@emloc/tensor-stream';
import type { ModelOf } from '@emloc/models';
import { copiedBytes, type CopiedBytes, type PlannedModel } from './copied-bytes.ts';
import { decoderLinears, type DecoderLinear } from '../decoder-linears.ts';
import { loraLayout } from '../lora/lora-layout.ts';
import { selectTargets, type TargetModules } from '../lora/target-modules.ts';
import { rankOf } from '../ratios/rank.ts';

/** What a prediction depends on. Tokens are those of the rows that will really be used. */
export interface MemorySpec {
  readonly model: PlannedModel;
  /** Are bf16 weights converted to be multiplied (`halfPrecision() === 'cast'`)? */
  readonly convertsWeights: boolean;
  /** Of the largest micro-batch, all its rows together. */
  readonly microBatchTokens: number;
  /** Of the longest row. */
  readonly sequenceTokens: number;
  /** Micro-batches of a step (1). */
  readonly microBatches?: number;
  /** Labelled tokens of the micro-batches that go through the model together (all tokens). */
  readonly labelledTokens?: number;
  /** Are weights mapped all the time in training (false: a layer at a time)? */
  readonly resident?: boolean;
  /** Of the emulator (1: none). */
  readonly ratio?: number;
  readonly lora?: { readonly r: number; readonly targetModules: TargetModules };
  /** Of the calibration set. */
  readonly calibrationTokens?: number;
  /** Adapters that the choice compares (7). */
  readonly candidates?: number;
  /** Generation: keys and values of earlier tokens. */
  readonly keyValueCacheBytes?: number;
  /** Generation: the adapters that rows may have. */
  readonly adapterBytes?: number;
  /** Generation: do resident weights stay converted (false: a layer at a time)? */
  readonly keepsConverted?: boolean;
}

export interface StageSizes {
  /** The linears of one layer, the largest. */
  readonly linears: readonly DecoderLinear[];
  /** One hidden state of one token. */
  readonly rowBytes: number;
  readonly originalBytes: number;
  readonly emulatorBytes: number;
  /** One layer as it is stored, original. */
  readonly layerBytes: number;
  /** The output matrix as it is stored. */
  readonly headBytes: number;
  /** One layer converted to be multiplied; 0 where it need not be. */
  readonly convertedLayerBytes: number;
  readonly convertedEmulatorLayerBytes: number;
  /** All layers and the output matrix, converted. */
  readonly convertedModelBytes: number;
  readonly largestLinearNumbers: number;
  /** F: of all linears the widest input, which is what the MLP's last one sees. */
  readonly innerWidth: number;
  /** G: what the linears of one input give together, at most; gate and up, or queries, keys and values. */
  readonly groupWidth: number;
  /** What norms over each head keep: queries and keys, before and after; 0 where there are none. */
  readonly headNormWidth: number;
  /** Norms after a layer's halves. */
  readonly postNorms: number;
  readonly attentionKinds: number;
  /** Weights that are not aligned in their files, and so are read into private memory. */
  readonly copied: CopiedBytes;
  readonly gramBytes: number;
  readonly largestGramBytes: number;
  readonly loraBytes: number;
}

export function stageSizes({ model, convertsWeights, ratio = 1, lora }: MemorySpec): StageSizes {
  const { config } = model;
  const all = decoderLinears(model);
  const linears = largestLayer(all);
  const bytes = dtypeBytes[config.dtype];
  const layerNumbers = numbersOf(linears);
  const modelNumbers = numbersOf(all);
  const headBytes = config.vocabSize * config.hiddenSize * bytes;
  const ends = headBytes * (config.tieWordEmbeddings ? 1 : 2);
  const converts = config.dtype === 'f16' || (config.dtype === 'bf16' && convertsWeights);
  const grams = new Map(linears.map(({ inputGroup, inFeatures }) => [inputGroup, inFeatures ** 2 * 4]));
  return {
    linears,
    rowBytes: config.hiddenSize * 4,
    originalBytes: ends + modelNumbers * bytes,
    emulatorBytes: ends + numbersOf(all, ratio) * bytes,
    layerBytes: layerNumbers * bytes,
    headBytes,
    convertedLayerBytes: converts ? 4 * numbersOf(atOnce(linears)) : 0,
    convertedEmulatorLayerBytes: converts ? 4 * numbersOf(atOnce(linears), ratio) : 0,
    convertedModelBytes: converts ? 4 * (modelNumbers + config.vocabSize * config.hiddenSize) : 0,
    largestLinearNumbers: Math.max(...linears.map((linear) => factorNumbers(linear, 1))),
    innerWidth: Math.max(...linears.map(({ inFeatures }) => inFeatures)),
    groupWidth: groupWidthOf(linears),
    ...normsOf(model),
    attentionKinds: model.architecture.attentionKinds(config).length,
    copied: copiedBytes(model),
    gramBytes: sumOf([...grams.values()]),
    largestGramBytes: Math.max(...grams.values()),
    loraBytes: lora === undefined ? 0 : 4 * loraLayout(selectTargets(all, lora.targetModules), lora.r).size,
  };
}

/** The linears of the layer that has most numbers: with experts, layers differ. */
function largestLayer(all: readonly DecoderLinear[]): DecoderLinear[] {
  const layers = new Map<number, DecoderLinear[]>();
  for (const linear of all) {
    const own = layers.get(linear.layer);
    if (own === undefined) layers.set(linear.layer, [linear]);
    else own.push(linear);
  }
  let [largest, most]: [DecoderLinear[], number] = [[], -1];
  for (const linears of layers.values()) {
    const numbers = numbersOf(linears);
    if (numbers > most) [largest, most] = [linears, numbers];
  }
  return largest;
}

/** Of the linears of a layer those that are converted at the same time: of experts, which come one after the other, one. */
const atOnce = (linears: readonly DecoderLinear[]): DecoderLinear[] => [
  ...linears.filter(({ routed }) => !routed),
  ...linears.filter(({ routed }) => routed).slice(0, linearsOfExpert),
];

/** gate, up, down */
const linearsOfExpert = 3;

/** Widest sum of the outputs that linears of one input have; experts, who come one after the other, count singly. */
function groupWidthOf(linears: readonly DecoderLinear[]): number {
  const widths = new Map<string, number>();
  for (const { inputGroup, outFeatures } of atOnce(linears))
    widths.set(inputGroup, (widths.get(inputGroup) ?? 0) + outFeatures);
  return Math.max(...widths.values());
}

/** From the names of a layer's tensors: most layers have one norm before each half, and none elsewhere. */
function normsOf({ architecture, config }: ModelOf): Pick<StageSizes, 'headNormWidth' | 'postNorms'> {
  const prefix = architecture.moduleName(0, '');
  const names = architecture
    .expectedTensors(config)
    .map(({ name }) => name)
    .filter((name) => name.startsWith(prefix));
  const heads = names.some((name) => name.endsWith('q_norm.weight'));
  return {
    headNormWidth: heads ? 2 * (config.numHeads + config.numKeyValueHeads) * config.headDim : 0,
    postNorms: Math.max(0, names.filter((name) => name.endsWith('layernorm.weight')).length - 2),
  };
}

const numbersOf = (linears: readonly DecoderLinear[], ratio = 1): number =>
  linears.reduce((sum, linear) => sum + factorNumbers(linear, ratio), 0);

const factorNumbers = ({ inFeatures, outFeatures }: DecoderLinear, ratio: number): number =>
  ratio === 1
    ? inFeatures * outFeatures
    : rankOf(outFeatures, inFeatures, ratio) * (inFeatures + outFeatures);

/**
 * The end of the model for rows whose hidden states are looked at together: those of the labelled tokens, gathered and
 * joined (and their gradients, in parts and joined); logits by slices, their gradient, and the converted part of the
 * output matrix.
 */
export function headSliceTotal(
  spec: MemorySpec,
  sizes: StageSizes,
  sliceBytes: number,
  gradient: boolean,
  rows = spec.labelledTokens ?? spec.microBatchTokens,
): number {
  const { vocabSize, dtype } = spec.model.config;
  const slice = Math.min(sliceBytes, rows * vocabSize * 4);
  const converted = dtype !== 'f32' && spec.convertsWeights ? Math.min(sliceBytes, 2 * sizes.headBytes) : 0;
  const labelled = rows * sizes.rowBytes;
  return slice * (gradient ? 3 : 2) + converted + labelled * (gradient ? 4 : 2);
}

/**
 * Of the linear that needs most, in float64: the Gram whose eigenvalues must be clamped (itself, its eigenvectors and
 * the solver's copy of them, the root, the clamped one); then that and its root, the weight's image, the eigenproblem.
 */
export const decompositionBytes = ({ linears }: StageSizes): number =>
  Math.max(
    ...linears.map(
      ({ inFeatures: i, outFeatures: o }) =>
        8 * Math.max(5 * i * i, 2 * i * i + 3 * o * i + 4 * Math.min(o, i) ** 2),
    ),
  );

export const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
