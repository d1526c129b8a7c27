/**
 * Passes through a whole model, layer by layer: all micro-batches go through a layer while its weights are at hand, so
 * that a streamed model is read once a pass and a resident one converts each layer once; small ones side by side. Between layers a hook may
 * yield to the event loop (health, cancel); that is why passes are asynchronous.
 *
 * Memory: the hidden states of the micro-batches, times the layers where their inputs are kept for a backward pass,
 * and the inside of one layer for one micro-batch, or for as many small ones as there are streams.
 */
import { keep, sideBySide, tidy, type Tensor } from '@emloc/engine';
import { KeptOutputs } from './kept-outputs.ts';
import type { Batch, LinearsFor, ModelConfig, WeightSource } from './types.ts';

export interface PassOptions {
  /** Called after each layer; may wait, or throw to end the pass. */
  readonly afterLayer?: (layer: number) => void | Promise<void>;
}

export interface ForwardOptions extends PassOptions {
  /** Keep every layer's inputs, as `backwardPass` needs them. */
  readonly keepInputs?: boolean;
  /**
   * With `keepInputs`: linears whose outputs are kept too, so that the backward need not recompute them. Time for
   * memory: `mlp.gate_proj` and `mlp.up_proj` make two thirds of what is recomputed. Default: none.
   */
  readonly keepOutputs?: readonly string[];
}

/** What the backward of one layer needs of one micro-batch. */
export interface LayerInput {
  /** [N, D] */
  readonly x: Tensor;
  readonly outputs: KeptOutputs;
}

export interface ForwardResult {
  /** `inputs[layer][micro]`; empty unless they were to be kept. */
  readonly inputs: LayerInput[][];
  /** What comes out of the last layer, before the final norm: `hidden[micro]` [N, D]. */
  readonly hidden: Tensor[];
  dispose(): void;
}

/** Embeds the micro-batches and takes them through all layers. The caller disposes what comes out. */
export const forwardPass = async (
  source: WeightSource,
  batches: readonly Batch[],
  linearsFor: LinearsFor,
  { keepInputs = false, keepOutputs = [], afterLayer }: ForwardOptions = {},
): Promise<ForwardResult> => {
  const { architecture, config, activationDtype } = source;
  const inputs: LayerInput[][] = [];
  const inBf16 = source.computeDtype === 'bf16';
  let current = source.withEmbedding((weights) =>
    eachKept(config, batches, ({ ids, context }) =>
      architecture.embed(weights, ids, context.positions, activationDtype, config),
    ),
  );
  const dispose = (): void => {
    inputs.forEach(disposeInputs);
    disposeAll(current);
  };
  try {
    for (let layer = 0; layer < config.numLayers; layer++) {
      const kept = current.map((x) => ({
        x,
        outputs: new KeptOutputs(keepInputs ? keepOutputs : [], inBf16),
      }));
      if (keepInputs) inputs.push(kept);
      const next = source.withLayer(layer, (w) =>
        eachKept(config, batches, ({ context }, micro) => {
          const { x, outputs } = kept[micro]!;
          return architecture.layerForward(
            x,
            w,
            outputs.record(linearsFor(layer, w, micro)),
            context.layer(layer),
            config,
          );
        }),
      );
      if (!keepInputs) disposeAll(current);
      current = next;
      await afterLayer?.(layer);
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return { inputs, hidden: current, dispose };
};

/**
 * Takes the gradient of the hidden states back through all layers, last to first; adapters collect theirs in
 * `Linears.backward`. Uses up `inputs` and `dHidden`: each tensor is disposed as soon as it is not needed any more.
 */
export const backwardPass = async (
  source: WeightSource,
  batches: readonly Batch[],
  inputs: readonly (readonly LayerInput[])[],
  dHidden: readonly Tensor[],
  linearsFor: LinearsFor,
  { afterLayer }: PassOptions = {},
): Promise<void> => {
  const { architecture, config } = source;
  let current: readonly Tensor[] = dHidden;
  try {
    for (let layer = config.numLayers - 1; layer >= 0; layer--) {
      const kept = inputs[layer]!;
      const next = source.withLayer(layer, (w) =>
        eachKept(config, batches, ({ context }, micro) => {
          const { x, outputs } = kept[micro]!;
          const lin = outputs.replay(linearsFor(layer, w, micro));
          const dx = architecture.layerBackward(x, current[micro]!, w, lin, context.layer(layer), config);
          disposeInputs([kept[micro]!]);
          current[micro]!.dispose();
          return dx;
        }),
      );
      current = next;
      await afterLayer?.(layer);
    }
  } finally {
    disposeAll(current);
    inputs.forEach(disposeInputs);
  }
};

/** Maps micro-batches to tensors that the caller owns, side by side; where one fails, those before it end. */
const eachKept = (
  config: ModelConfig,
  batches: readonly Batch[],
  make: (batch: Batch, index: number) => Tensor,
): Tensor[] => {
  const made: Tensor[] = [];
  try {
    mapSideBySide(config, batches, (batch, i) => made.push(keep(tidy(() => make(batch, i)))));
  } catch (error) {
    disposeAll(made);
    throw error;
  }
  return made;
};

/**
 * Micro-batches of more rows than this are not worked on side by side: their operations fill all threads, and two of
 * them would take twice the memory that a caller has cut its micro-batches for.
 */
export const SIDE_BY_SIDE_ROWS = 512;

/**
 * Numbers that micro-batches' hidden states have on the average, from which on their operations are long enough for a
 * stream: an operation of a smaller one is done sooner than another thread is woken for it.
 */
const SIDE_BY_SIDE_NUMBERS = 2 ** 15;

/** Does it pay to compute so many micro-batches of so many rows together side by side? */
export const paysSideBySide = (
  { hiddenSize }: Pick<ModelConfig, 'hiddenSize'>,
  rows: number,
  batches: number,
): boolean => rows * hiddenSize >= SIDE_BY_SIDE_NUMBERS * batches;

/** `make` for each, side by side where that pays: it may be given tensors that are still to be computed. */
export const mapSideBySide = <R>(
  config: Pick<ModelConfig, 'hiddenSize'>,
  batches: readonly Batch[],
  make: (batch: Batch, index: number) => R,
): R[] => {
  const all = batches.reduce((sum, { rows }) => sum + rows, 0);
  const pays = paysSideBySide(config, all, batches.length);
  const small = batches.every(({ rows }) => rows <= SIDE_BY_SIDE_ROWS);
  return pays && small ? sideBySide(batches, make) : batches.map(make);
};

const disposeAll = (tensors: readonly Tensor[]): void => tensors.forEach((t) => t.dispose());

const disposeInputs = (inputs: readonly LayerInput[]): void =>
  inputs.forEach(({ x, outputs }) => {
    x.dispose();
    outputs.dispose();
  });
