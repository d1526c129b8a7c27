/**
 * Keys and values of the tokens so far, so that a step of generation computes one token of each sequence and no more.
 *
 * Sequences stand right-aligned: their latest tokens share a column, and shorter ones begin later (masks hide what lies
 * before). So a step writes one column whatever the lengths are, and a sliding window is the same columns for all.
 * Columns are in two parts: `settled`, a multiple of BLOCK, which does not change, and `recent`, the BLOCK in use. Every
 * BLOCK steps the latter is put behind the former, and what no window sees any more falls off. A step so copies a block,
 * not the whole, and shapes change every BLOCK steps only: kernels are made for shapes.
 * Letters: S sequences, K key-value heads, G queries of one, E head size, C settled columns.
 */
import {
  add,
  concat,
  gather,
  keep,
  matmul,
  pad,
  reshape,
  slice,
  softmax,
  tensor,
  tidy,
  transpose,
  where,
  zeros,
  type Tensor,
} from '@emloc/engine';
import { attend } from '../layers/attend.ts';
import type { AttentionCache, Heads } from '../layers/attention.ts';
import { HIDDEN } from '../layers/mask.ts';

/** Columns that are written before they settle. */
export const BLOCK = 32;

/** Settled columns for so many tokens, of which a window lets only the latest be seen. */
export const settledColumns = (tokens: number, window = Infinity): number =>
  BLOCK * Math.ceil(Math.max(1, Math.min(tokens, window - 1)) / BLOCK);

/** Which row of a pass holds token t of a sequence. */
export type RowOf = (sequence: number, token: number) => number;

interface KeysValues {
  readonly k: Tensor;
  readonly v: Tensor;
}

interface LayerState {
  /** [S·K, C, E] */
  settled: KeysValues;
  /** [S·K, BLOCK, E] */
  recent: KeysValues;
}

export class KeyValueCache {
  /** By layer: how far back a token sees, itself included; undefined: to the beginning. */
  readonly #windows: readonly (number | undefined)[];
  readonly #dtype: 'f32' | 'f64';
  #layers: LayerState[] = [];
  #lengths: readonly number[];
  /** Columns of `recent` that are in use. */
  #used = 0;
  /** What the layers of one step share: masks, and where the new column goes. */
  readonly #shared = new Map<string, Tensor>();

  constructor(windows: readonly (number | undefined)[], lengths: readonly number[], dtype: 'f32' | 'f64') {
    this.#windows = windows;
    this.#lengths = lengths;
    this.#dtype = dtype;
  }

  /** Caches of one model as one, their sequences in order. They end. */
  static join(caches: readonly KeyValueCache[]): KeyValueCache {
    if (caches.length === 1) return caches[0]!;
    const [first] = caches as [KeyValueCache];
    const joined = new KeyValueCache(
      first.#windows,
      caches.flatMap(({ lengths }) => lengths),
      first.#dtype,
    );
    caches.forEach((cache) => cache.#settle());
    joined.#layers = first.#layers.map((_, layer) => {
      const columns = joined.#columnsOf(layer);
      const settled = both((part) =>
        concat(
          caches.map((cache) => withColumns(cache.#layers[layer]!.settled[part], columns)),
          0,
        ),
      );
      caches.forEach((cache) => disposeState(cache.#layers[layer]!));
      return { settled, recent: emptyBlocks(settled) };
    });
    return joined;
  }

  /** Tokens of each sequence. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /** For a pass that computes all tokens of the sequences: takes over their keys and values. */
  filling(layer: number, rowOf: RowOf): AttentionCache {
    return {
      attend: ({ k, v }) => {
        this.#fill(layer, { k, v }, rowOf);
        return undefined;
      },
    };
  }

  /** For a step, one token of each sequence. */
  stepping(layer: number): AttentionCache {
    return { attend: (heads) => this.#attend(layer, heads) };
  }

  /** For a pass over more tokens of the only sequence there is, which see what is kept and each other. */
  continuing(layer: number): AttentionCache {
    return { attend: (heads) => this.#continue(layer, heads) };
  }

  /** Ends a pass that continued with so many tokens, and in which every layer has attended. */
  extended(tokens: number): void {
    this.#lengths = this.#lengths.map((length) => length + tokens);
  }

  /** Goes back to the first tokens of the only sequence there is; false where a window has let go of what they need. */
  cutTo(tokens: number): boolean {
    this.#settle();
    const [length] = this.#lengths as [number];
    const dropped = length - tokens;
    const enough = this.#layers.every(({ settled }, layer) => {
      const kept = Math.min(length, settled.k.shape[1]!) - dropped;
      return kept >= Math.min(tokens, (this.#windows[layer] ?? Infinity) - 1);
    });
    if (!enough || dropped === 0) return enough;
    this.#lengths = [tokens];
    this.#layers.forEach((state, layer) => {
      const settled = both((part) => {
        const columns = state.settled[part].shape[1]! - dropped;
        return withColumns(slice(state.settled[part], [0, 0, 0], [-1, columns, -1]), this.#columnsOf(layer));
      });
      this.#replace(state, { settled, recent: state.recent });
    });
    return true;
  }

  /** Of all keys and values. */
  get bytes(): number {
    return this.#layers.reduce(
      (sum, { settled, recent }) =>
        sum + [settled.k, settled.v, recent.k, recent.v].reduce((all, t) => all + t.byteLength, 0),
      0,
    );
  }

  /** Ends a step in which every layer has attended. */
  advance(): void {
    this.#endStep();
    this.#lengths = this.#lengths.map((length) => length + 1);
    this.#used += 1;
    if (this.#used === BLOCK) this.#settle();
  }

  /** Goes on with some of the sequences, in this order; columns that only others needed are dropped. */
  select(sequences: readonly number[]): void {
    const before = this.#lengths.length;
    this.#lengths = sequences.map((i) => this.#lengths[i]!);
    const some = (x: Tensor, columns: number): Tensor => {
      const [, count, width] = x.shape as [number, number, number];
      const rows = gather(
        reshape(x, [before, -1]),
        tensor(Int32Array.from(sequences), [sequences.length], 'i32'),
        0,
      );
      return withColumns(reshape(rows, [-1, count, width]), columns);
    };
    this.#layers.forEach((state, layer) => {
      const columns = Math.min(state.settled.k.shape[1]!, this.#columnsOf(layer));
      this.#replace(state, {
        settled: both((part) => some(state.settled[part], columns)),
        recent: both((part) => some(state.recent[part], BLOCK)),
      });
    });
  }

  dispose(): void {
    this.#endStep();
    this.#layers.forEach(disposeState);
    this.#layers = [];
  }

  #fill(layer: number, { k, v }: KeysValues, rowOf: RowOf): void {
    const columns = this.#columnsOf(layer);
    const rows = this.#lengths.flatMap((length, sequence) =>
      Array.from({ length: columns }, (_, column) => {
        const token = length - columns + column;
        return token < 0 ? 0 : rowOf(sequence, token); // row 0 stands for nothing: it is hidden
      }),
    );
    const toColumns = (x: Tensor): Tensor => {
      const [, heads, width] = x.shape as [number, number, number];
      const all = gather(x, tensor(Int32Array.from(rows), [rows.length], 'i32'), 0);
      const turned = transpose(reshape(all, [-1, columns, heads, width]), [0, 2, 1, 3]); // [S, K, C, E]
      return reshape(turned, [-1, columns, width]);
    };
    const settled = both((part) => toColumns(part === 'k' ? k : v));
    this.#layers[layer] = { settled, recent: emptyBlocks(settled) };
  }

  /** q [S, H, E], k and v [S, K, E] → [S, H·E] */
  #attend(layer: number, heads: Heads): Tensor {
    const state = this.#layers[layer]!;
    const { settled } = state;
    const [sequences, keyHeads, width] = heads.k.shape as [number, number, number];
    const batch = sequences * keyHeads;
    const here = this.#sharedTensor('here', () =>
      tensor(
        Array.from({ length: BLOCK }, (_, column) => column === this.#used),
        [1, BLOCK, 1],
        'bool',
      ),
    );
    const recent = both((part) => where(here, reshape(heads[part], [batch, 1, -1]), state.recent[part]));
    this.#replace(state, { settled, recent });
    return tidy(() => {
      const columns = settled.k.shape[1]!;
      const q = reshape(heads.q, [batch, -1, width]); // [S·K, G, E]
      const scores = concat(
        [settled.k, recent.k].map((k) => matmul(q, k, { transposeB: true })),
        2,
      ); // [S·K, G, C + BLOCK]
      const mask = this.#maskOf(columns, this.#windows[layer]);
      const masked = add(reshape(scores, [sequences, -1, columns + BLOCK]), mask);
      const p = reshape(softmax(masked), scores.shape);
      const fromSettled = matmul(slice(p, [0, 0, 0], [-1, -1, columns]), settled.v);
      const fromRecent = matmul(slice(p, [0, 0, columns], [-1, -1, BLOCK]), recent.v);
      return reshape(add(fromSettled, fromRecent), [sequences, -1]);
    });
  }

  /** q [M, H, E], k and v [M, K, E] → [M, H·E] */
  #continue(layer: number, { q, k, v }: Heads): Tensor {
    this.#settle();
    const state = this.#layers[layer]!;
    const [length] = this.#lengths as [number];
    const [tokens, keyHeads, width] = k.shape as [number, number, number];
    const before = Math.min(length, state.settled.k.shape[1]!); // columns that hold a token
    const toHeads = (x: Tensor): Tensor => reshape(transpose(x, [1, 0, 2]), [keyHeads, -1, width]);
    const all = both((part) =>
      concat([withColumns(state.settled[part], before), toHeads(part === 'k' ? k : v)], 1),
    );
    const window = this.#windows[layer];
    const output = tidy(() => {
      const sight = { tokens, mask: undefined, ...(window === undefined ? {} : { window }) };
      const { o } = attend({ q: toHeads(q), ...all }, sight); // [K, G·M, E]
      return reshape(transpose(reshape(o, [-1, tokens, width]), [1, 0, 2]), [tokens, -1]);
    });
    const settled = both((part) => withColumns(all[part], settledColumns(length + tokens, window)));
    [all.k, all.v].forEach((t) => t.dispose());
    this.#replace(state, { settled, recent: state.recent });
    return output;
  }

  /** [S, 1, C + BLOCK]: what the tokens that are being computed see, themselves included. */
  #maskOf(columns: number, window = Infinity): Tensor {
    return this.#sharedTensor(`${columns}, ${window}`, () => {
      const width = columns + BLOCK;
      const now = columns + this.#used;
      const mask = new Float32Array(this.#lengths.length * width);
      this.#lengths.forEach((length, sequence) => {
        for (let column = 0; column < width; column++) {
          const distance = now - column;
          const visible = distance >= 0 && distance <= length && distance < window;
          if (!visible) mask[sequence * width + column] = HIDDEN;
        }
      });
      return tensor(mask, [this.#lengths.length, 1, width], this.#dtype);
    });
  }

  /** All columns settled, none recent. */
  #settle(): void {
    if (this.#used === 0) return;
    const used = this.#used;
    this.#used = 0;
    this.#layers.forEach((state, layer) => {
      const columns = this.#columnsOf(layer);
      const settled = both((part) => {
        const own = slice(state.recent[part], [0, 0, 0], [-1, used, -1]);
        return withColumns(concat([state.settled[part], own], 1), columns);
      });
      this.#replace(state, { settled, recent: emptyBlocks(settled) });
    });
  }

  #columnsOf(layer: number): number {
    return settledColumns(Math.max(...this.#lengths) - this.#used, this.#windows[layer]);
  }

  #sharedTensor(name: string, make: () => Tensor): Tensor {
    let found = this.#shared.get(name);
    if (found === undefined) this.#shared.set(name, (found = keep(make())));
    return found;
  }

  #endStep(): void {
    for (const shared of this.#shared.values()) shared.dispose();
    this.#shared.clear();
  }

  #replace(state: LayerState, { settled, recent }: LayerState): void {
    const old = { ...state };
    state.settled = settled;
    state.recent = recent;
    for (const part of ['settled', 'recent'] as const)
      if (old[part] !== state[part]) [old[part].k, old[part].v].forEach((t) => t.dispose());
  }
}

/** Keys and values made the same way, kept. */
const both = (make: (part: 'k' | 'v') => Tensor): KeysValues => ({
  k: keep(tidy(() => make('k'))),
  v: keep(tidy(() => make('v'))),
});

const emptyBlocks = (settled: KeysValues): KeysValues =>
  both((part) => {
    const { shape, dtype } = settled[part];
    return zeros([shape[0]!, BLOCK, shape[2]!], dtype);
  });

/** The last columns of x, or x with empty ones before it. */
const withColumns = (x: Tensor, columns: number): Tensor => {
  const more = columns - x.shape[1]!;
  return more > 0 ? pad(x, [[0, 0], [more, 0], [0, 0]]) : slice(x, [0, -more, 0], [-1, columns, -1]); // prettier-ignore
};

const disposeState = ({ settled, recent }: LayerState): void =>
  [settled.k, settled.v, recent.k, recent.v].forEach((t) => t.dispose());
