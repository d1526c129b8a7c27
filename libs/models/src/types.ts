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
import type { AttentionCache } from './layers/attention.ts';

/** How the frequencies of a rotary embedding are stretched; formulas in layers/rope-frequencies.ts. */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | { readonly type: 'dynamic'; readonly factor: number; readonly maxPositionEmbeddings: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositionEmbeddings: number;
    }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly truncate: boolean;
      readonly originalMaxPositionEmbeddings: number;
    }
  | {
      readonly type: 'longrope';
      /** By pair: for sequences up to the original length, and for longer ones. */
      readonly shortFactor: readonly number[];
      readonly longFactor: readonly number[];
      readonly originalMaxPositionEmbeddings: number;
    };

/** A rotary position embedding. */
export interface RopeConfig {
  readonly theta: number;
  /** How many numbers of a head are rotated, the first ones; the others pass as they are. Even. */
  readonly dims: number;
  readonly scaling?: RopeScaling;
  /** Of what is rotated (1); yarn and longrope have one. */
  readonly attentionFactor?: number;
}

/** One way in which layers attend. Most models have one; Gemma 3 has two, local and global. */
export interface AttentionKind {
  /** Undefined: queries and keys are not rotated (positions come otherwise, such as learned ones). */
  readonly rope?: RopeConfig;
  /** Of the scores before the softmax, mostly 1/√E. */
  readonly scale: number;
  /** A query sees its own position and the `window − 1` before it; undefined: all before it. */
  readonly window?: number;
}

/** What every architecture has. What is an architecture's own stands in a type of its own that extends this. */
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
  readonly vocabSize: number;
  /** Tokens of the longest row that the model takes, what rope scaling adds included. */
  readonly maxPositionEmbeddings: number;
  readonly tieWordEmbeddings: boolean;
  /** K: experts that each token goes to (undefined: there are none). */
  readonly expertsPerToken?: number;
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
  /** The file holds the weight as in × out (GPT-2's Conv1D). Factors u, v and adapters are as of any other linear. */
  readonly transposed?: true;
  /** Only the rows that a router chooses come to it (an expert's linear): perhaps few, perhaps none. */
  readonly routed?: true;
}

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

export type LinearWeights =
  | {
      readonly kind: 'full';
      /** [out, in], or [in, out] where it is `transposed`. */
      readonly weight: Tensor;
      readonly bias?: Tensor;
      readonly transposed?: boolean;
    }
  | { readonly kind: 'factored'; readonly u: Tensor; readonly v: Tensor; readonly bias?: Tensor };

/** Tensors by name, valid for the time of a visit. The source owns them: use them, never dispose them. */
export interface NamedTensors {
  /** A small tensor (norm weight) in the activations' type. */
  tensor(name: string): Tensor;
  /** A tensor as it lies in the file, in its own type: an embedding, or a linear's `weight`, `u` or `v`. */
  stored(name: string): Tensor;
}

/** A layer's weights, valid for the time of `withLayer`; names are those inside the layer (`self_attn.q_proj`). */
export interface LayerWeights extends NamedTensors {
  /** What matrices are multiplied in: weights in another type are converted when they are first looked at. */
  readonly matrixDtype: ComputeDType;
  linear(name: string): LinearWeights;
  /**
   * What a wrapper makes of the weights, made once a visit, however many micro-batches use it, and ended with it.
   * `owner` and `name` tell one from another.
   */
  derived(owner: object, name: string, make: () => Tensor): Tensor;
  /** What is converted or derived while `use` runs ends with it, not with the visit: for layers of many matrices. */
  scoped<T>(use: () => T): T;
}

/** What an embedding is made from: tensors by full name, and what the model is computed in. */
export interface EmbeddingWeights extends NamedTensors {
  readonly computeDtype: ComputeDType;
}

/** The end of a model: tensors by full name (the final norm's), and the output matrix. */
export interface HeadWeights extends NamedTensors {
  /** V × D; the embedding where they are tied. */
  readonly head: Tensor;
  /** Of its elements. */
  readonly dtype: DType;
  /** Better looked at in parts: each is mapped for the time of its use, and let go. */
  readonly streamed?: boolean;
  /** What `use` makes of `count` of its rows from `first` on. */
  part<T>(first: number, count: number, use: (rows: Tensor) => T): T;
}

/** What weights are multiplied in. Activations are f32, or f64 where this is f64. */
export type ComputeDType = 'f32' | 'bf16' | 'f64';

/** What functions need to know of a model besides its weights. */
export interface ModelOf {
  readonly config: ModelConfig;
  readonly architecture: Architecture;
}

/** Where weights come from: the one place that decides about their memory. */
export interface WeightSource extends ModelOf {
  readonly mode: 'resident' | 'streamed';
  readonly computeDtype: ComputeDType;
  readonly activationDtype: 'f32' | 'f64';
  withLayer<T>(index: number, use: (weights: LayerWeights) => T): T;
  withHead<T>(use: (weights: HeadWeights) => T): T;
  /** Tensors by full name. */
  withEmbedding<T>(use: (weights: EmbeddingWeights) => T): T;
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

/** How the heads of queries, or of keys, are turned by their positions. */
export interface RopeTables {
  /** E */
  readonly headDim: number;
  /**
   * Tables [N, 1, R] for the first R numbers of each head: `x·cos + swapHalves(x)·sin`, the first half of `sin` negated.
   * Undefined: nothing is rotated.
   */
  readonly rotation: { readonly cos: Tensor; readonly sin: Tensor } | undefined;
  /** Of what is not rotated; the tables have it in them. */
  readonly scale: number;
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
  /** What the mask, or its pieces, leave of the tokens before; undefined: all. */
  readonly window?: number;
}

/** What one layer must know of a micro-batch besides the hidden states. Its tensors belong to the BatchContext. */
export interface LayerContext {
  readonly layer: number;
  /** N: tokens in the micro-batch; those of a shared prefix count once. */
  readonly rows: number;
  /** As this layer attends: masks know its window. */
  readonly blocks: readonly AttentionBlock[];
  /** For queries with the scores' scale folded in, and for keys. */
  readonly queryRope: RopeTables;
  readonly keyRope: RopeTables;
  /** Of each row, in its sequence. */
  readonly positions: Int32Array;
  /** Of this layer, where generation goes on from earlier passes or keeps this one for later ones. */
  readonly cache?: AttentionCache;
}

/** A micro-batch as layers see it. Owned by who made it; tables and masks are shared by layers of one kind. */
export interface BatchContext {
  readonly rows: number;
  readonly positions: Int32Array;
  layer(index: number): LayerContext;
  dispose(): void;
}

/**
 * A model family: its configuration, its tensors, and its layers forward and backward. `C` is its own type of
 * configuration; the registry forgets it, since a configuration only ever goes to the architecture that parsed it.
 */
export interface Architecture<C extends ModelConfig = ModelConfig> {
  readonly name: string;
  readonly modelTypes: readonly string[];
  /** Checks and reads config.json; throws EmlocError naming the field. */
  parseConfig(raw: Readonly<Record<string, unknown>>): C;
  /** The linears of one decoder layer, in order of use. */
  linears(config: C, layer: number): readonly LinearSpec[];
  /** Every tensor a checkpoint must hold, by full name. */
  expectedTensors(config: C): readonly TensorSpec[];
  /** What names of all tensors but the head's begin with: `model.`. Checkpoints may lack or double it. */
  readonly namePrefix: string;
  /** `moduleName(3, 'self_attn.q_proj')` is `model.layers.3.self_attn.q_proj`. */
  moduleName(layer: number, linear: string): string;
  readonly tensorNames: { readonly embedding: string; readonly head: string };
  /** The ways in which layers attend, and which of them (by index) a layer has. */
  attentionKinds(config: C): readonly AttentionKind[];
  attentionKindOf(config: C, layer: number): number;

  /** ids and positions of N tokens → [N, D] in `dtype`. */
  embed(
    weights: EmbeddingWeights,
    ids: Tensor,
    positions: Int32Array,
    dtype: 'f32' | 'f64',
    config: C,
  ): Tensor;
  /** x [N, D] → [N, D]. */
  layerForward(x: Tensor, w: LayerWeights, lin: Linears, context: LayerContext, config: C): Tensor;
  /** x, dy [N, D] → dx [N, D]; recomputes the layer's forward inside. */
  layerBackward(
    x: Tensor,
    dy: Tensor,
    w: LayerWeights,
    lin: Linears,
    context: LayerContext,
    config: C,
  ): Tensor;
  /** The norm before the output matrix: [n, D] → [n, D]. */
  finalNorm(x: Tensor, head: NamedTensors, config: C): Tensor;
  finalNormBackward(x: Tensor, dy: Tensor, head: NamedTensors, config: C): Tensor;
}

/** A model directory, validated from its headers alone (no TensorFlow, no weights read). */
export interface ModelDirectory extends ModelOf {
  readonly dir: string;
  /** By canonical name (as `expectedTensors` spells it): which file it lies in, absolute byte offsets. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Absolute paths of the safetensors files, sorted. */
  readonly weightFiles: readonly string[];
  /** What `emloc.json` says, where the directory is an emulator. */
  readonly emulator: EmulatorInfo | undefined;
  /** Is this linear stored as `<module>.u` and `<module>.v`? */
  isFactored(module: string): boolean;
  /** Does the file hold this linear's weight as in × out? */
  isTransposed(module: string): boolean;
  /** Bytes of weights in the files. */
  readonly weightBytes: number;
  /** sha256 over config.json and the safetensors files; reads everything once, then remembers. */
  digest(): Promise<string>;
}

export interface StoredTensor {
  readonly file: string;
  /** What the file calls it. */
  readonly name: string;
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
  /**
   * Linears of experts that were to be compressed but keep their full weights: how many calibration rows came to them,
   * fewer than their rank.
   */
  readonly keptFull?: Readonly<Record<string, number>>;
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
