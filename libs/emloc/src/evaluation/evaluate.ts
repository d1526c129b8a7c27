/**
 * How good a model is on held-out rows: mean loss and perplexity over the labelled tokens, and how often greedy
 * decoding gives a short completion exactly. The latter needs no decoding: greedy decoding gives the completion if and
 * only if each of its tokens is the most probable one after the true tokens before it (induction over the tokens).
 */
import { EmlocError } from '@emloc/errors';
import type { LinearsFor, TokenRow, WeightSource } from '@emloc/models';
import { adapterLinears } from '../lora/adapter-linears.ts';
import type { LoraAdapter } from '../lora/lora-adapter.ts';
import { sweep, type RowScore, type SweepOptions } from './sweep.ts';

export interface Evaluation {
  readonly rows: number;
  readonly labelledTokens: number;
  /** Mean over all labelled tokens of all rows, natural logarithm. */
  readonly loss: number;
  readonly perplexity: number;
  /** Share of the labelled tokens that are the most probable ones. */
  readonly tokenAccuracy: number;
  /** Over the rows that end in a short completion; absent if there are none. */
  readonly exactMatch?: { readonly accuracy: number; readonly rows: number };
}

/** A completion of more tokens than this is not asked to be exact. */
export const shortCompletionTokens = 32;

export async function evaluate(
  source: WeightSource,
  adapter: LoraAdapter | undefined,
  rows: readonly TokenRow[],
  options: SweepOptions = {},
): Promise<Evaluation> {
  const [evaluation] = await evaluateVariants(
    source,
    rows,
    [adapterLinears(source, adapter, () => ({ fold: true }))],
    options,
  );
  return evaluation as Evaluation;
}

/** Several variants of a model's linears on the same rows, each layer's weights visited once. */
export async function evaluateVariants(
  source: WeightSource,
  rows: readonly TokenRow[],
  variants: readonly LinearsFor[],
  options: SweepOptions = {},
): Promise<Evaluation[]> {
  const scores = await sweep(source, rows, variants, options);
  return scores.map((list) => summarize(rows, list));
}

export function summarize(rows: readonly TokenRow[], scores: readonly RowScore[]): Evaluation {
  const total = (key: keyof RowScore) => scores.reduce((sum, score) => sum + score[key], 0);
  const labelledTokens = total('labelled');
  if (labelledTokens === 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'NO_LABELLED_TOKENS', 'no token of these rows carries a loss', {
      field: 'eval_data',
      mend: 'give labels other than -100',
    });
  }
  const loss = total('lossSum') / labelledTokens;
  const short = scores.filter((_, i) => isShortCompletion(rows[i] as TokenRow));
  const exact = short.filter(({ labelled, correct }) => correct === labelled).length;
  return {
    rows: rows.length,
    labelledTokens,
    loss,
    perplexity: Math.exp(loss),
    tokenAccuracy: total('correct') / labelledTokens,
    ...(short.length === 0 ? {} : { exactMatch: { accuracy: exact / short.length, rows: short.length } }),
  };
}

/** A prompt without loss, then one run of labelled tokens, not too many; what closes the turn after it may be unlabelled. */
function isShortCompletion({ labels = [] }: TokenRow): boolean {
  const labelled = labels.flatMap((label, t) => (label === -100 ? [] : [t]));
  const [first = 0, last = 0] = [labelled[0], labelled.at(-1)];
  return first > 0 && labelled.length <= shortCompletionTokens && last - first + 1 === labelled.length;
}
