/** Sizes that memory predictions are made of, from shapes alone. Letters: D hidden, F inside the MLP, H heads. */
import { dtypeBytes } from '@emloc/tensor-stream';
import type { ModelOf } from '@emloc/models';
import { decoderLinears, type DecoderLinear } from '../decoder-linears.ts';
import { loraLayout } from '../lora/lora-layout.ts';
import { selectTargets, type TargetModules } from '../lora/target-modules.ts';
import { rankOf } from '../ratios/rank.ts';

/** What a prediction depends on. Tokens are those of the rows that will really be used. */
export interface MemorySpec {
  readonly model: ModelOf;
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

const numbersOf = (linears: readonly DecoderLinear[], ratio = 1): number =>
  linears.reduce((sum, linear) => sum + factorNumbers(linear, ratio), 0);

const factorNumbers = ({ inFeatures, outFeatures }: DecoderLinear, ratio: number): number =>
  ratio === 1
    ? inFeatures * outFeatures
    : rankOf(outFeatures, inFeatures, ratio) * (inFeatures + outFeatures);

/** The inside of a layer for one micro-batch: gate, up and what becomes of them; queries, keys, values; scores. */
export function insideForward(
  spec: MemorySpec,
  { innerWidth: F }: StageSizes,
  tokens = spec.microBatchTokens,
): number {
  const { hiddenSize: D } = spec.model.config;
  return 4 * tokens * (5 * F + 8 * D) + joinedExpertBytes(spec, tokens) + 3 * scoreBytes(spec, tokens);
}

export function insideBackward(
  spec: MemorySpec,
  { innerWidth: F }: StageSizes,
  tokens = spec.microBatchTokens,
): number {
  const { hiddenSize: D } = spec.model.config;
  return 4 * tokens * (9 * F + 14 * D) + joinedExpertBytes(spec, tokens) + 3 * scoreBytes(spec, tokens);
}

/** What the K experts of each token give: by expert, joined, by row, and weighted. */
const joinedExpertBytes = ({ model }: MemorySpec, tokens: number): number =>
  4 * 4 * tokens * (model.config.expertsPerToken ?? 0) * model.config.hiddenSize;

const scoreBytes = ({ model, sequenceTokens }: MemorySpec, tokens: number): number =>
  4 * model.config.numHeads * tokens * sequenceTokens;

/** The end of the model: logits by slices, their gradient, and the converted part of the output matrix. */
export function headSliceTotal(
  spec: MemorySpec,
  sizes: StageSizes,
  sliceBytes: number,
  gradient: boolean,
): number {
  const { vocabSize, dtype } = spec.model.config;
  const rows = spec.labelledTokens ?? spec.microBatchTokens;
  const slice = Math.min(sliceBytes, rows * vocabSize * 4);
  const converted = dtype !== 'f32' && spec.convertsWeights ? Math.min(sliceBytes, 2 * sizes.headBytes) : 0;
  return slice * (gradient ? 3 : 2) + converted;
}

/** Of the linear that needs most, in float64: the Gram and its factorisation, the weight's image, the eigenproblem. */
export const decompositionBytes = ({ linears }: StageSizes): number =>
  Math.max(
    ...linears.map(
      ({ inFeatures: i, outFeatures: o }) => 8 * (3 * i * i + 3 * o * i + 4 * Math.min(o, i) ** 2),
    ),
  );

export const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
