/**
 * Softmax attention of one block, on heads laid out for multiplication: q [B, G·T, E], k and v [B, P+T, E], where B
 * counts sequences times key-value heads and the G query heads of one lie under each other. The first P keys are those
 * of a prefix that every query sees; P is 0 where a sequence is all there is.
 *   p = softmax(q kᵀ + mask), o = p v           (the scale is folded into q's rotary tables)
 *   dv = pᵀ do, dp = do vᵀ, ds = p · (dp − Σ do·o), dq = ds k, dk = dsᵀ q
 * Scores are quadratic: where they would not fit, they are made tile by tile (some of B, or some queries of one),
 * and again in the backward (Rabe & Staats 2021).
 */
import {
  add,
  concat,
  matmul,
  mul,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  tidy,
  type Tensor,
} from '@emloc/engine';
import { dtypeBytes } from '@emloc/tensor-stream';
import { causalMask } from './mask.ts';

/** Of the scores of a tile. 32 MiB hold 9 heads of 964 tokens in f32. */
export const SCORES_BYTES = 32 * 2 ** 20;

export interface QueriesKeysValues {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

export interface AttendState extends QueriesKeysValues {
  /** [B, G·T, E] */
  readonly o: Tensor;
  /** [B, G·T, P+T], where it was made whole. */
  readonly p: Tensor | undefined;
}

/** What the queries see. */
export interface Sight {
  /** T: queries of one sequence and head. */
  readonly tokens: number;
  /** Additive [T, P+T]; undefined: causal, made for each tile, since for long sequences it would be as big as scores. */
  readonly mask: Tensor | undefined;
  /** Of the masks that are made for tiles. */
  readonly window?: number;
}

/** Queries `tokens` from `firstToken` on, of `count` of B from `first` on. */
interface Tile {
  readonly first: number;
  readonly count: number;
  readonly firstToken: number;
  readonly tokens: number;
}

export const attend = (qkv: QueriesKeysValues, sight: Sight, scoresBytes = SCORES_BYTES): AttendState =>
  tidy(() => {
    const tiles = tilesOf(qkv, sight, scoresBytes);
    if (tiles.length === 1) {
      const p = weights(qkv.q, qkv.k, maskRows(sight, tiles[0]!, qkv.k));
      return { ...qkv, p, o: matmul(p, qkv.v) };
    }
    const parts = tiles.map((tile) =>
      tidy(() => {
        const q = tileQueries(qkv.q, sight, tile);
        return matmul(weights(q, some(qkv.k, tile), maskRows(sight, tile, qkv.k)), some(qkv.v, tile));
      }),
    );
    return { ...qkv, p: undefined, o: joinTiles(parts, tiles, qkv.q) };
  });

/** dO [B, G·T, E] → gradients in the layout of q, k and v. */
export const attendBackward = (
  dO: Tensor,
  state: AttendState,
  sight: Sight,
  scoresBytes = SCORES_BYTES,
): QueriesKeysValues =>
  tidy(() => {
    const { q, k, v, o, p } = state;
    const along = sum(mul(dO, o), -1, true); // [B, G·T, 1]
    if (p !== undefined) return tileBackward(dO, along, q, k, v, p);
    const tiles = tilesOf(state, sight, scoresBytes);
    const dq: Tensor[] = [];
    const dk: Tensor[] = []; // one for each range of B; the tiles of one range are summed
    const dv: Tensor[] = [];
    for (const tile of tiles) {
      const d = tidy(() => {
        const own = (x: Tensor): Tensor => tileQueries(x, sight, tile);
        const [qTile, kTile] = [own(q), some(k, tile)];
        const pTile = weights(qTile, kTile, maskRows(sight, tile, k));
        return tileBackward(own(dO), own(along), qTile, kTile, some(v, tile), pTile);
      });
      dq.push(d.q);
      if (tile.firstToken === 0) {
        dk.push(d.k);
        dv.push(d.v);
      } else {
        addToLast(dk, d.k);
        addToLast(dv, d.v);
      }
    }
    return { q: joinTiles(dq, tiles, q), k: concat(dk, 0), v: concat(dv, 0) };
  });

/** softmax(q kᵀ + mask): q [b, G·t, E], k [b, P+T, E], mask [t, P+T] → [b, G·t, P+T] */
const weights = (q: Tensor, k: Tensor, mask: Tensor): Tensor =>
  tidy(() => {
    const scores = matmul(q, k, { transposeB: true });
    const masked = tidy(() => add(reshape(scores, [-1, ...mask.shape]), mask));
    scores.dispose();
    return reshape(softmax(masked), [q.shape[0]!, q.shape[1]!, k.shape[1]!]);
  });

const tileBackward = (
  dO: Tensor,
  along: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  p: Tensor,
): QueriesKeysValues =>
  tidy(() => {
    const ds = tidy(() => {
      const dp = matmul(dO, v, { transposeB: true });
      return mul(p, sub(dp, along));
    });
    return {
      q: matmul(ds, k),
      k: matmul(ds, q, { transposeA: true }),
      v: matmul(p, dO, { transposeA: true }),
    };
  });

const tilesOf = (
  { q, k }: Pick<QueriesKeysValues, 'q' | 'k'>,
  { tokens }: Sight,
  scoresBytes: number,
): Tile[] => {
  const [batch, queries, keys] = [q.shape[0]!, q.shape[1]!, k.shape[1]!];
  const bytesPerToken = (queries / tokens) * keys * dtypeBytes[q.dtype]; // scores of a token's G queries, for one of B
  const tokensAtOnce = Math.max(1, Math.floor(scoresBytes / bytesPerToken));
  const countAtOnce = Math.max(1, Math.floor(tokensAtOnce / tokens));
  const tiles: Tile[] = [];
  for (let first = 0; first < batch; first += countAtOnce)
    for (let firstToken = 0; firstToken < tokens; firstToken += tokensAtOnce)
      tiles.push({
        first,
        count: Math.min(countAtOnce, batch - first),
        firstToken,
        tokens: Math.min(tokensAtOnce, tokens - firstToken),
      });
  return tiles;
};

/** [B, P+T, …] → [count, P+T, …] */
const some = (x: Tensor, { first, count }: Tile): Tensor => slice(x, [first, 0, 0], [count, -1, -1]);

/** [tokens, P+T] */
const maskRows = ({ mask, tokens: all, window }: Sight, { firstToken, tokens }: Tile, k: Tensor): Tensor => {
  const keys = k.shape[1]!;
  if (mask === undefined)
    return causalMask(keys, k.dtype as 'f32' | 'f64', {
      first: keys - all + firstToken,
      count: tokens,
      window,
    });
  return tokens === all ? mask : slice(mask, [firstToken, 0], [tokens, -1]);
};

/** [B, G·T, w] → [count, G·tokens, w] */
const tileQueries = (x: Tensor, sight: Sight, { first, count, firstToken, tokens }: Tile): Tensor =>
  tidy(() => {
    const [batch, queries, width] = x.shape as [number, number, number];
    const grouped = reshape(x, [batch, queries / sight.tokens, sight.tokens, width]);
    return reshape(slice(grouped, [first, 0, firstToken, 0], [count, -1, tokens, -1]), [count, -1, width]);
  });

/** The way back: parts [count, G·tokens, E] → [B, G·T, E]. */
const joinTiles = (parts: readonly Tensor[], tiles: readonly Tile[], like: Tensor): Tensor =>
  tidy(() => {
    const width = like.shape[2]!;
    const ranges: Tensor[][] = [];
    parts.forEach((part, i) => {
      const { count, tokens, firstToken } = tiles[i]!;
      if (firstToken === 0) ranges.push([]);
      ranges.at(-1)!.push(reshape(part, [count, -1, tokens, width])); // [count, G, tokens, E]
    });
    return reshape(
      concat(
        ranges.map((range) => concat(range, 2)),
        0,
      ),
      like.shape,
    );
  });

const addToLast = (sums: Tensor[], part: Tensor): void => {
  const before = sums.pop()!;
  sums.push(add(before, part));
  before.dispose();
  part.dispose();
};
