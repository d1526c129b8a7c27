/**
 * The words of this library: configurations, weights and where they come from, the hook a layer calls for each of its
 * linears, and what an architecture is. Everything else implements or uses these.
 *
 * Hidden states are ROWS everywhere: `[N, D]`, the real tokens of all sequences of a micro-batch one after the other.
 * There is no padding, so nothing has to mask it out: not a linear, not a Gram matrix, not a loss.
 * Shape letters: N rows, T tokens of one sequence, D hidden, H heads, K key-value heads, E head size, V vocabulary.
 */
import type { Tensor } from '@emloc/engine';
import type { DType } from '@emloc/tensor-stream';

export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositionEmbeddings: number;
    };

export interface RopeConfig {
  readonly theta: number;
  readonly scaling?: RopeScaling;
}

export interface ModelConfig {
  /** Name of the architecture, a folder of `architectures/`. */
  readonly architecture: string;
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly rope: RopeConfig;
  readonly tieWordEmbeddings: boolean;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  readonly bosTokenId: number | undefined;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | undefined;
  /** Of the checkpoint's big tensors, as found in the safetensors files (what config.json says is only a hint). */
  readonly dtype: DType;
  /** config.json as it was read. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** One linear of a decoder layer: `y = W x + b`, `W` is outFeatures × inFeatures. */
export interface LinearSpec {
  /** Inside the layer, such as `self_attn.q_proj`. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
  /** Name of the first linear that has the same input; linears of one group share a Gram matrix. */
  readonly inputGroup: string;
}

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

export type LinearWeights =
  | { readonly kind: 'full'; readonly weight: Tensor; readonly bias?: Tensor }
  | { readonly kind: 'factored'; readonly u: Tensor; readonly v: Tensor; readonly bias?: Tensor };

/** A layer's weights, valid for the time of `withLayer`. The source owns the tensors: use them, never dispose them. */
export interface LayerWeights {
  /** What matrices are multiplied in: weights in another type are converted when they are first looked at. */
  readonly matrixDtype: ComputeDType;
  linear(name: string): LinearWeights;
  /** A small tensor (norm weight) in the activations' type. */
  tensor(name: string): Tensor;
  /** A linear's `weight`, `u` or `v` (`self_attn.q_proj.weight`) as it lies in the file, in its own type. */
  stored(name: string): Tensor;
  /**
   * What a wrapper makes of the weights, made once a visit, however many micro-batches use it, and ended with it.
   * `owner` and `name` tell one from another.
   */
  derived(owner: object, name: string, make: () => Tensor): Tensor;
}

/** The final norm and the output matrix (V × D; the embedding where they are tied). */
export interface HeadWeights {
  readonly norm: Tensor;
  readonly head: Tensor;
}

/** What weights are multiplied in. Activations are f32, or f64 where this is f64. */
export type ComputeDType = 'f32' | 'bf16' | 'f64';

/** Where weights come from: the one place that decides about their memory. */
export interface WeightSource {
  readonly config: ModelConfig;
  readonly architecture: Architecture;
  readonly mode: 'resident' | 'streamed';
  readonly computeDtype: ComputeDType;
  readonly activationDtype: 'f32' | 'f64';
  withLayer<T>(index: number, use: (weights: LayerWeights) => T): T;
  withHead<T>(use: (weights: HeadWeights) => T): T;
  withEmbedding<T>(use: (embedding: Tensor) => T): T;
  close(): void;
}

/**
 * What a layer calls for each of its linears: the ONE hook for full and factored weights, LoRA, and the observation of
 * inputs. Both return a new tensor that the caller owns, and keep no reference to their arguments.
 */
export interface Linears {
  /** x [N, in] → [N, out], in the activations' type. */
  forward(name: string, x: Tensor): Tensor;
  /**
   * dy [N, out] → dx [N, in]; gradients of an adapter are accumulated as a side effect. `x` is the input that `forward`
   * saw. During a layer's backward each linear gets one call of this, and `forward` again only if its output is needed.
   */
  backward(name: string, x: Tensor, dy: Tensor): Tensor;
}

/** Rotary tables [N, 1, E]: `x·cos + swapHalves(x)·sin`, the first half of `sin` negated. */
export interface RopeTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Sequences of equal length that lie one after the other in the rows, and are attended to in one go. */
export interface AttentionBlock {
  readonly firstRow: number;
  readonly sequences: number;
  readonly tokens: number;
  /**
   * P: how many of the rows at the very start every sequence continues, and so sees before its own tokens; they are the
   * first block. Default 0.
   */
  readonly prefix?: number;
  /**
   * Additive, [T, P+T]: 0 where query i may see key j, else so low that its weight is 0. Undefined: causal, of a
   * sequence so long that the mask is made piece by piece.
   */
  readonly mask: Tensor | undefined;
}

/** What a layer must know of a micro-batch besides the hidden states. Owned by who made it. */
export interface BatchContext {
  /** N: tokens in the micro-batch; those of a shared prefix count once. */
  readonly rows: number;
  readonly blocks: readonly AttentionBlock[];
  /** For queries with the scores' 1/√E folded in, and for keys. */
  readonly queryRope: RopeTables;
  readonly keyRope: RopeTables;
  dispose(): void;
}

export interface Architecture {
  readonly name: string;
  readonly modelTypes: readonly string[];
  /** Checks and reads config.json; throws EmlocError naming the field. */
  parseConfig(raw: Readonly<Record<string, unknown>>): ModelConfig;
  /** The linears of one decoder layer, in order of use. */
  linears(config: ModelConfig): readonly LinearSpec[];
  /** Every tensor a checkpoint must hold, by full name. */
  expectedTensors(config: ModelConfig): readonly TensorSpec[];
  /** `moduleName(3, 'self_attn.q_proj')` is `model.layers.3.self_attn.q_proj`. */
  moduleName(layer: number, linear: string): string;
  readonly tensorNames: { readonly embedding: string; readonly finalNorm: string; readonly head: string };

  /** embedding [V, D], ids i32 [N] → [N, D] in `dtype`. */
  embed(embedding: Tensor, ids: Tensor, dtype: 'f32' | 'f64'): Tensor;
  /** x [N, D] → [N, D]. */
  layerForward(x: Tensor, w: LayerWeights, lin: Linears, batch: BatchContext, config: ModelConfig): Tensor;
  /** x, dy [N, D] → dx [N, D]; recomputes the layer's forward inside. */
  layerBackward(
    x: Tensor,
    dy: Tensor,
    w: LayerWeights,
    lin: Linears,
    batch: BatchContext,
    config: ModelConfig,
  ): Tensor;
  /** The norm before the output matrix: [n, D] → [n, D]. */
  finalNorm(x: Tensor, head: HeadWeights, config: ModelConfig): Tensor;
  finalNormBackward(x: Tensor, dy: Tensor, head: HeadWeights, config: ModelConfig): Tensor;
}

/** A model directory, validated from its headers alone (no TensorFlow, no weights read). */
export interface ModelDirectory {
  readonly dir: string;
  readonly config: ModelConfig;
  readonly architecture: Architecture;
  /** By tensor name: which file it lies in, absolute byte offsets. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Absolute paths of the safetensors files, sorted. */
  readonly weightFiles: readonly string[];
  /** What `emloc.json` says, where the directory is an emulator. */
  readonly emulator: EmulatorInfo | undefined;
  /** Is this linear stored as `<module>.u` and `<module>.v`? */
  isFactored(module: string): boolean;
  /** Bytes of weights in the files. */
  readonly weightBytes: number;
  /** sha256 over config.json and the safetensors files; reads everything once, then remembers. */
  digest(): Promise<string>;
}

export interface StoredTensor {
  readonly file: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** `emloc.json` of an emulator directory: what it was made of and how. */
export interface EmulatorInfo {
  readonly formatVersion: 1;
  readonly original: { readonly name: string; readonly digest: string };
  readonly method: 'activation-svd' | 'svd';
  /** Pattern → ratio, in order. */
  readonly ratios: Readonly<Record<string, number>>;
  /** By module name, only those that were compressed. */
  readonly modules: Readonly<
    Record<string, { readonly rank: number; readonly ratio: number; readonly relativeTruncationLoss: number }>
  >;
  readonly calibration?: { readonly samples: number; readonly tokens: number };
}

/** One sequence of tokens; `labels[t]` is token t, predicted by row t − 1, or −100 where it carries no loss. */
export interface TokenRow {
  readonly inputIds: readonly number[];
  readonly labels?: readonly number[];
}

/** A micro-batch as the passes take it. Owned by who made it. */
export interface Batch {
  /** i32 [N]. */
  readonly ids: Tensor;
  readonly context: BatchContext;
  /** For each labelled token: the row that predicts it, and the token. */
  readonly targets: { readonly rows: Int32Array; readonly labels: Int32Array };
  /** N: what is computed. */
  readonly rows: number;
  /** Σ of the lengths: what the sequences hold. More than N where they share a prefix. */
  readonly tokens: number;
  /** P: tokens that all sequences begin with and that are computed once, as the first rows; 0 where none are shared. */
  readonly prefix: number;
  /** Tokens of each sequence (a shared prefix included), and how many of them are labelled. */
  readonly lengths: readonly number[];
  readonly labelCounts: readonly number[];
  dispose(): void;
}

/** Makes the linears of one layer for one micro-batch. */
export type LinearsFor = (layer: number, weights: LayerWeights, micro: number) => Linears;
