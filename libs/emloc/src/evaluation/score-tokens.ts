/**
 * Log-probabilities of the tokens of rows, one list a row, in the order of the rows. Rows go in waves whose hidden
 * states fit in a fixed amount of memory; those of one wave share the visits to the weights, and those of one
 * micro-batch what they begin with.
 */
import { groupsUpTo, type LinearsFor, type PassOptions, type WeightSource } from '@emloc/models';
import { packRows } from '../pack-rows.ts';
import { tokenStateBytes } from '../state-bytes.ts';
import { defaultStateBytes } from './sweep.ts';
import { wavePass } from './wave-pass.ts';

export interface ScoreTokensOptions extends PassOptions {
  /** Bytes of hidden states kept at once (8 MiB). */
  readonly stateBytes?: number;
}

/** log p of each token but the first, given those before it. */
export async function* scoreTokens(
  source: WeightSource,
  linears: LinearsFor,
  rows: readonly (readonly number[])[],
  { stateBytes = defaultStateBytes, ...options }: ScoreTokensOptions = {},
): AsyncGenerator<Float64Array, void, undefined> {
  for (const wave of groupsUpTo(rows, stateBytes / tokenStateBytes(source), (ids) => ids.length)) {
    const packs = packRows(wave.map((ids) => ({ inputIds: ids, labels: ids })));
    const results: Float64Array[] = new Array<Float64Array>(wave.length);
    await wavePass(source, packs, [linears], options, (_, row, { logProbs }) => (results[row] = logProbs));
    yield* results;
  }
}
