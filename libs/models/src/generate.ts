/** Greedy continuation, all prompts in one pass a token. No cache: each token costs a whole forward pass. */
import { argmax, tidy, toFloat64Array } from '@emloc/engine';
import { prepareBatch } from './batch.ts';
import { gatherRows, logitsOf } from './head.ts';
import { forwardPass, type PassOptions } from './model-pass.ts';
import type { LinearsFor, WeightSource } from './types.ts';

export interface GreedyOptions extends PassOptions {
  readonly maxNewTokens: number;
  /** A prompt is done at the first of these, which is part of what is returned. Default: the model's. */
  readonly eosTokenIds?: readonly number[];
}

/** The new tokens of each prompt. */
export const greedyContinue = async (
  source: WeightSource,
  linearsFor: LinearsFor,
  prompts: readonly (readonly number[])[],
  { maxNewTokens, eosTokenIds = source.config.eosTokenIds, afterLayer }: GreedyOptions,
): Promise<number[][]> => {
  const rows = prompts.map((promptIds) => ({ promptIds, made: [] as number[] }));
  const room = source.config.maxPositionEmbeddings;
  for (let step = 0; step < maxNewTokens; step++) {
    const open = rows.filter(
      ({ promptIds, made }) =>
        promptIds.length + made.length <= room && !(made.length > 0 && eosTokenIds.includes(made.at(-1)!)),
    );
    if (open.length === 0) break;
    const next = await nextTokens(
      source,
      linearsFor,
      open.map(({ promptIds, made }) => [...promptIds, ...made]),
      { afterLayer },
    );
    open.forEach(({ made }, i) => made.push(next[i]!));
  }
  return rows.map(({ made }) => made);
};

const nextTokens = async (
  source: WeightSource,
  linearsFor: LinearsFor,
  sequences: readonly (readonly number[])[],
  options: PassOptions,
): Promise<number[]> => {
  const batch = prepareBatch(
    source,
    sequences.map((inputIds) => ({ inputIds })),
    source.activationDtype,
  );
  try {
    const forward = await forwardPass(source, [batch], linearsFor, options);
    try {
      let end = 0;
      const last = Int32Array.from(batch.lengths, (length) => (end += length) - 1);
      return source.withHead((head) =>
        tidy(() => [...toFloat64Array(argmax(logitsOf(source, gatherRows(forward.hidden[0]!, last), head)))]),
      );
    } finally {
      forward.dispose();
    }
  } finally {
    batch.dispose();
  }
};
