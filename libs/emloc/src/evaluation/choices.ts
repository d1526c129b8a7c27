/** Accuracy by choices: of a list of answers, the one with the highest summed log-probability after the prompt. */
import { groupsUpTo, scoreContinuations, type WeightSource } from '@emloc/models';
import { EmlocError } from '@emloc/errors';
import { breathe } from '../cancel.ts';
import { adapterLinears } from '../lora/adapter-linears.ts';
import type { LoraAdapter } from '../lora/lora-adapter.ts';
import { tokenStateBytes } from '../state-bytes.ts';
import { defaultStateBytes, type SweepOptions } from './sweep.ts';

export interface ChoiceRow {
  readonly promptIds: readonly number[];
  /** Token ids of every answer. */
  readonly choices: readonly (readonly number[])[];
  /** Index of the right one. */
  readonly answer: number;
}

export interface ChoiceEvaluation {
  readonly rows: number;
  readonly accuracy: number;
  /** Index of the chosen answer, a row each. */
  readonly chosen: readonly number[];
  /** Mean cross entropy over the tokens of the right answers: what `evaluate` gives for rows labelled with them. */
  readonly loss: number;
  /** Tokens of the right answers. */
  readonly answerTokens: number;
}

export async function evaluateChoices(
  source: WeightSource,
  adapter: LoraAdapter | undefined,
  rows: readonly ChoiceRow[],
  options: Omit<SweepOptions, 'stateBytes'> = {},
): Promise<ChoiceEvaluation> {
  if (rows.length === 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'NO_ROWS', 'there are no rows to choose for', { field: 'data' });
  }
  const chosen: number[] = [];
  let logProbability = 0;
  // Rows that go through a layer together: their hidden states are what is kept at once.
  const maxTokens = defaultStateBytes / tokenStateBytes(source);
  for (const wave of groupsUpTo(rows, maxTokens, tokensOf)) {
    const scores = await scoreContinuations(
      source,
      adapterLinears(source, adapter, () => ({ fold: true })),
      wave.map(({ promptIds, choices }) => ({ promptIds, continuations: choices })),
      { afterLayer: () => breathe(options.signal) },
    );
    for (const row of scores) {
      logProbability += row[rows[chosen.length]?.answer ?? -1] ?? NaN;
      chosen.push(row.indexOf(Math.max(...row)));
    }
    options.onProgress?.({ done: chosen.length, rows: rows.length });
  }
  const right = chosen.filter((choice, i) => choice === rows[i]?.answer).length;
  const answerTokens = rows.reduce((sum, { choices, answer }) => sum + (choices[answer]?.length ?? 0), 0);
  return {
    rows: rows.length,
    accuracy: right / rows.length,
    chosen,
    loss: -logProbability / answerTokens,
    answerTokens,
  };
}

const tokensOf = ({ promptIds, choices }: ChoiceRow): number =>
  promptIds.length + choices.reduce((sum, ids) => sum + ids.length, 0);
