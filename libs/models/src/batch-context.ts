/**
 * What layers must know of a micro-batch: where its rows stand, attention blocks with their masks, rotary tables. Layers
 * that attend in the same way share them.
 */
import { keep, type Tensor } from '@emloc/engine';
import { causalMask, maskOf } from './layers/mask.ts';
import { ropeFrequencies, ropeRegime } from './layers/rope-frequencies.ts';
import { ropeRotation } from './layers/rope.ts';
import type { AttentionBlock, AttentionKind, BatchContext, ModelOf, RopeTables } from './types.ts';

/** Above this many tokens a causal mask is not made whole (4 MiB in f32 here). */
export const LONGEST_WHOLE_MASK = 1024;

/** One sequence as attention sees it (without a shared prefix); plain causal text needs only its length. */
export interface SequenceLayout {
  readonly tokens: number;
  /** Default: from the end of the shared prefix on (0, 1, 2, … where there is none). */
  readonly positions?: readonly number[];
  /** Of the whole sequence without padding, which some frequencies go by. Default: up to its last position. */
  readonly length?: number;
  /** May query i see key j? Default: j ≤ i. */
  readonly visible?: (query: number, key: number) => boolean;
}

/**
 * Consecutive causal sequences of one length become one block; causal masks of one length are shared. The first
 * `prefix` rows are a causal block of their own, which all sequences continue; the last `idle` rows belong to none.
 */
export const makeBatchContext = (
  { architecture, config }: ModelOf,
  sequences: readonly SequenceLayout[],
  dtype: 'f32' | 'f64' = 'f32',
  prefix = 0,
  idle = 0,
): BatchContext => {
  const owned: Tensor[] = [];
  const own: Own = (t) => {
    owned.push(keep(t));
    return t;
  };
  const positions = positionsOf(sequences, prefix, idle);
  const lengths = lengthsOf(sequences, prefix, positions);
  const longest = positions.reduce((most, position) => Math.max(most, position), 0) + 1;
  const blocks = new BlockMaker(sequences, prefix, dtype, own);
  const contexts = architecture.attentionKinds(config).map(({ window = Infinity, ...turned }) => ({
    rows: positions.length,
    positions,
    blocks: blocks.within(window < longest ? window : undefined),
    ...ropeTables(turned, config.headDim, { positions, lengths }, dtype, own),
  }));
  return {
    rows: positions.length,
    positions,
    layer: (layer) => ({ layer, ...contexts[architecture.attentionKindOf(config, layer)]! }),
    dispose: () => owned.forEach((t) => t.dispose()),
  };
};

/** Takes a tensor over, to end it with the context. */
type Own = (t: Tensor) => Tensor;

const positionsOf = (sequences: readonly SequenceLayout[], prefix: number, idle: number): Int32Array => {
  const positions = Array.from({ length: prefix }, (_, t) => t);
  for (const { tokens, positions: given, length = Infinity } of sequences) {
    // Padding stands at 0: where positions are learnt, there are none beyond the longest sequence.
    const usual = (t: number): number => (prefix + t < length ? prefix + t : 0);
    for (let t = 0; t < tokens; t++) positions.push(given === undefined ? usual(t) : (given[t] ?? 0));
  }
  for (let t = 0; t < idle; t++) positions.push(0);
  return Int32Array.from(positions);
};

/** By row: tokens of the sequence that it is of; the prefix counts as the first one's. */
const lengthsOf = (
  sequences: readonly SequenceLayout[],
  prefix: number,
  positions: Int32Array,
): Int32Array => {
  const lengths = new Int32Array(positions.length);
  let row = prefix;
  for (const { tokens, length } of sequences) {
    const own = positions.subarray(row, row + tokens);
    lengths.fill(
      length ?? own.reduce((most, position) => Math.max(most, position + 1), 0),
      row,
      row + tokens,
    );
    row += tokens;
  }
  return lengths.fill(lengths[prefix] ?? prefix, 0, prefix);
};

interface RowPlaces {
  readonly positions: Int32Array;
  readonly lengths: Int32Array;
}

const ropeTables = (
  { rope, scale }: AttentionKind,
  headDim: number,
  { positions, lengths }: RowPlaces,
  dtype: 'f32' | 'f64',
  own: Own,
): { queryRope: RopeTables; keyRope: RopeTables } => {
  const regimes = new Map<number, Float64Array>();
  const scaledBy = (factor: number): RopeTables => {
    if (rope === undefined) return { headDim, rotation: undefined, scale: factor };
    const frequenciesOf = (row: number): Float64Array => {
      const regime = ropeRegime(rope, lengths[row]!);
      let found = regimes.get(regime);
      if (found === undefined) regimes.set(regime, (found = ropeFrequencies(rope, lengths[row])));
      return found;
    };
    const { cos, sin } = ropeRotation(
      frequenciesOf,
      positions,
      rope.dims,
      factor * (rope.attentionFactor ?? 1),
      dtype,
    );
    return { headDim, rotation: { cos: own(cos), sin: own(sin) }, scale: factor };
  };
  return { queryRope: scaledBy(scale), keyRope: scaledBy(1) };
};

/** Attention blocks of the sequences for each window that layers have. */
class BlockMaker {
  readonly #sequences: readonly SequenceLayout[];
  readonly #prefix: number;
  readonly #dtype: 'f32' | 'f64';
  readonly #own: Own;
  readonly #causal = new Map<string, Tensor>();
  readonly #blocks = new Map<number | undefined, readonly AttentionBlock[]>();

  constructor(sequences: readonly SequenceLayout[], prefix: number, dtype: 'f32' | 'f64', own: Own) {
    this.#sequences = sequences;
    this.#prefix = prefix;
    this.#dtype = dtype;
    this.#own = own;
  }

  /** `window` undefined: everything before is seen. */
  within(window: number | undefined): readonly AttentionBlock[] {
    let found = this.#blocks.get(window);
    if (found === undefined) this.#blocks.set(window, (found = this.#make(window)));
    return found;
  }

  #make(window: number | undefined): readonly AttentionBlock[] {
    const prefix = this.#prefix;
    const seen = window === undefined ? {} : { window };
    const blocks: AttentionBlock[] = [];
    if (prefix > 0)
      blocks.push({
        firstRow: 0,
        sequences: 1,
        tokens: prefix,
        mask: this.#causalFor(prefix, 0, window),
        ...seen,
      });
    const shared = blocks.length;
    let firstRow = prefix;
    for (const sequence of this.#sequences) {
      const { tokens } = sequence;
      const last = blocks.length > shared ? blocks.at(-1) : undefined;
      const mask = this.#maskFor(sequence, window);
      if (last !== undefined && last.tokens === tokens && last.mask === mask)
        blocks[blocks.length - 1] = { ...last, sequences: last.sequences + 1 };
      else blocks.push({ firstRow, sequences: 1, tokens, prefix, mask, ...seen });
      firstRow += tokens;
    }
    return blocks;
  }

  #maskFor({ tokens, visible, positions }: SequenceLayout, window: number | undefined): Tensor | undefined {
    const prefix = this.#prefix;
    const plain = visible === undefined && (window === undefined || positions === undefined);
    if (plain) return this.#causalFor(tokens, prefix, window);
    return this.#own(
      maskOf(
        {
          positions: Array.from({ length: tokens }, (_, t) => positions?.[t] ?? prefix + t),
          visible: visible ?? ((query, key) => key <= query),
          window,
        },
        this.#dtype,
        prefix,
      ),
    );
  }

  #causalFor(tokens: number, before: number, window: number | undefined): Tensor | undefined {
    const keys = before + tokens;
    if (keys > LONGEST_WHOLE_MASK) return undefined;
    const name = `${before}+${tokens}, ${window}`;
    let mask = this.#causal.get(name);
    if (mask === undefined)
      this.#causal.set(
        name,
        (mask = this.#own(causalMask(keys, this.#dtype, { first: before, count: tokens, window }))),
      );
    return mask;
  }
}
