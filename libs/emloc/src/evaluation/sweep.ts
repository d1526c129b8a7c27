/**
 * Rows through the whole model, forward only, for several variants of its linears (adapters) at once: each layer's
 * weights are visited once for all of them. Rows go in waves whose hidden states fit in a fixed amount of memory.
 */
import { type Tensor } from '@emloc/engine';
import {
  forwardPass,
  lossPass,
  prepareBatch,
  type Batch,
  type LinearsFor,
  type TokenRow,
  type WeightSource,
} from '@emloc/models';
import { breathe } from '../cancel.ts';
import { packRows, type PackedRows } from '../pack-rows.ts';

export interface SweepOptions {
  /** Bytes of hidden states kept at once, all variants together (8 MiB). */
  readonly stateBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly rows: number }) => void;
}

/** What a variant makes of one row. */
export interface RowScore {
  /** Σ of the negative log-probabilities of the labelled tokens. */
  readonly lossSum: number;
  readonly labelled: number;
  /** Labelled tokens that are the most probable ones where they stand. */
  readonly correct: number;
}

/** More would spare visits to the weights, which cost a conversion where they are bf16, and take twice as much memory. */
export const defaultStateBytes = 8 * 2 ** 20;

/** One list of row scores a variant, in the order of `rows`. */
export async function sweep(
  source: WeightSource,
  rows: readonly TokenRow[],
  variants: readonly LinearsFor[],
  options: SweepOptions = {},
): Promise<RowScore[][]> {
  const scores: RowScore[][] = variants.map(() => new Array<RowScore>(rows.length));
  let done = 0;
  for (const wave of waves(source, packRows(rows), variants.length, options.stateBytes)) {
    await sweepWave(source, wave, variants, scores, options.signal);
    done += wave.reduce((sum, pack) => sum + pack.rows.length, 0);
    options.onProgress?.({ done, rows: rows.length });
  }
  return scores;
}

function waves(
  source: WeightSource,
  packs: readonly PackedRows[],
  variants: number,
  stateBytes = defaultStateBytes,
): PackedRows[][] {
  const tokenBytes = source.config.hiddenSize * (source.activationDtype === 'f64' ? 8 : 4) * variants;
  const result: PackedRows[][] = [];
  let bytes = Infinity;
  for (const pack of packs) {
    const needs = tokenBytes * pack.rows.reduce((sum, row) => sum + row.inputIds.length, 0);
    if (bytes + needs > stateBytes) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)?.push(pack);
    bytes += needs;
  }
  return result;
}

async function sweepWave(
  source: WeightSource,
  wave: readonly PackedRows[],
  variants: readonly LinearsFor[],
  scores: RowScore[][],
  signal: AbortSignal | undefined,
): Promise<void> {
  const batches: Batch[] = [];
  let hidden: readonly Tensor[] = [];
  try {
    for (const pack of wave)
      batches.push(prepareBatch(source.config, pack.rows, source.activationDtype, { sharePrefix: true }));
    const n = batches.length;
    // The same micro-batches once a variant: `micro` counts through all of them.
    const all = variants.flatMap(() => batches);
    const pass = await forwardPass(
      source,
      all,
      (layer, weights, micro) => {
        const variant = variants[Math.floor(micro / n)] as LinearsFor;
        return variant(layer, weights, micro % n);
      },
      { afterLayer: () => breathe(signal) },
    );
    hidden = pass.hidden;
    const { micro } = lossPass(source, all, hidden, { matches: true });
    micro.forEach((result, index) => {
      const pack = wave[index % n] as PackedRows;
      const counts = (batches[index % n] as Batch).labelCounts;
      let first = 0;
      pack.indices.forEach((row, i) => {
        const labelled = counts[i] ?? 0;
        const logProbs = result.logProbs.subarray(first, first + labelled);
        const matches = result.matches?.subarray(first, first + labelled) ?? [];
        (scores[Math.floor(index / n)] as RowScore[])[row] = {
          lossSum: -logProbs.reduce((sum, p) => sum + p, 0),
          labelled,
          correct: Array.from(matches).filter((match) => match === 1).length,
        };
        first += labelled;
      });
    });
  } finally {
    for (const h of hidden) h.dispose();
    for (const batch of batches) batch.dispose();
  }
}
