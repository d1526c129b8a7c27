/** Greedy continuation of prompts that all have the same linears. */
import type { LinearsFor, WeightSource } from '../types.ts';
import { generate, type GenerateOptions } from './generate.ts';

export type GreedyOptions = Pick<GenerateOptions, 'maxNewTokens' | 'eosTokenIds' | 'afterLayer'>;

/** The new tokens of each prompt, an end-of-text token included. */
export const greedyContinue = async (
  source: WeightSource,
  linearsFor: LinearsFor,
  prompts: readonly (readonly number[])[],
  options: GreedyOptions,
): Promise<number[][]> => {
  const linears = { linearsFor, dispose: () => {} };
  const made = await generate(
    source,
    () => linears,
    prompts.map((ids) => ({ ids })),
    options,
  );
  return made.map(({ ids }) => [...ids]);
};
