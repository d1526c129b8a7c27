/**
 * Rows through the whole model, forward only, for several variants of its linears (adapters) at once: each layer's
 * weights are visited once for all of them. Rows go in waves whose hidden states fit in a fixed amount of memory.
 */
import { groupsUpTo, type LinearsFor, type TokenRow, type WeightSource } from '@emloc/models';
import { breathe } from '../cancel.ts';
import { packRows, type PackedRows } from '../pack-rows.ts';
import { tokenStateBytes } from '../state-bytes.ts';
import { wavePass, type RowTokens } from './wave-pass.ts';

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
  const maxTokens = (options.stateBytes ?? defaultStateBytes) / (tokenStateBytes(source) * variants.length);
  const passOptions = { matches: true, afterLayer: () => breathe(options.signal) };
  let done = 0;
  for (const wave of groupsUpTo(packRows(rows), maxTokens, tokensOf)) {
    await wavePass(source, wave, variants, passOptions, (variant, row, tokens) => {
      (scores[variant] as RowScore[])[row] = scoreOf(tokens);
    });
    done += wave.reduce((sum, pack) => sum + pack.rows.length, 0);
    options.onProgress?.({ done, rows: rows.length });
  }
  return scores;
}

const tokensOf = ({ rows }: PackedRows): number => rows.reduce((sum, row) => sum + row.inputIds.length, 0);

const scoreOf = ({ logProbs, matches = new Uint8Array(0) }: RowTokens): RowScore => ({
  lossSum: -logProbs.reduce((sum, p) => sum + p, 0),
  labelled: logProbs.length,
  correct: matches.filter((match) => match === 1).length,
});
