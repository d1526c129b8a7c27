/**
 * Log-probabilities of the tokens of rows, one list a row, in the order of the rows. Rows go in waves whose hidden
 * states fit in a fixed amount of memory; those of one wave share the visits to the weights, and those of one
 * micro-batch what they begin with.
 */
import {
  forwardPass,
  lossPass,
  prepareBatch,
  type Batch,
  type LinearsFor,
  type PassOptions,
  type TokenRow,
  type WeightSource,
} from '@emloc/models';
import { packRows } from '../pack-rows.ts';
import { defaultStateBytes } from './sweep.ts';

export interface ScoreTokensOptions extends PassOptions {
  /** Bytes of hidden states kept at once (32 MiB). */
  readonly stateBytes?: number;
}

/** log p of each token but the first, given those before it. */
export async function* scoreTokens(
  source: WeightSource,
  linears: LinearsFor,
  rows: readonly (readonly number[])[],
  { stateBytes = defaultStateBytes, ...options }: ScoreTokensOptions = {},
): AsyncGenerator<Float64Array, void, undefined> {
  const tokenBytes = source.config.hiddenSize * (source.activationDtype === 'f64' ? 8 : 4);
  for (const wave of waves(rows, stateBytes / tokenBytes)) {
    yield* await scoreWave(source, linears, wave, options);
  }
}

/** Consecutive rows of together at most so many tokens; at least one. */
function waves(rows: readonly (readonly number[])[], maxTokens: number): (readonly number[])[][] {
  const result: (readonly number[])[][] = [];
  let tokens = Infinity;
  for (const row of rows) {
    if (tokens + row.length > maxTokens) {
      result.push([]);
      tokens = 0;
    }
    result.at(-1)?.push(row);
    tokens += row.length;
  }
  return result;
}

async function scoreWave(
  source: WeightSource,
  linears: LinearsFor,
  wave: readonly (readonly number[])[],
  options: PassOptions,
): Promise<Float64Array[]> {
  const packs = packRows(wave.map((ids): TokenRow => ({ inputIds: ids, labels: ids })));
  const results = wave.map(() => new Float64Array(0));
  const batches: Batch[] = [];
  try {
    for (const pack of packs)
      batches.push(prepareBatch(source.config, pack.rows, source.activationDtype, { sharePrefix: true }));
    const forward = await forwardPass(source, batches, linears, options);
    try {
      lossPass(source, batches, forward.hidden).micro.forEach(({ logProbs }, micro) => {
        let first = 0;
        packs[micro]?.indices.forEach((row, i) => {
          const count = batches[micro]?.labelCounts[i] ?? 0;
          results[row] = logProbs.slice(first, first + count);
          first += count;
        });
      });
    } finally {
      forward.dispose();
    }
  } finally {
    for (const batch of batches) batch.dispose();
  }
  return results;
}
