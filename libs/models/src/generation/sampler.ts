/**
 * From logits [V] to the next token: the processors of transformers' `generate`, in its order and in its arithmetic
 * (float32): repetition penalty (Keskar et al. 2019), then, where a token is drawn and not the most likely one taken,
 * temperature, top-k (Fan et al. 2018), top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024).
 * The draw is a function of seed, prompt and position. Tokens whose scores are exactly equal at the border of top-p are
 * kept together, where transformers keeps some of them as its sort has it.
 */
import { EmlocError } from '@emloc/errors';
import { uniformAt } from './random.ts';

/** Names and meanings are those of transformers' GenerationConfig; but where it draws, its default top_k is 50. */
export interface SamplingOptions {
  /** Draw the next token; else the most likely one is taken and only the repetition penalty acts. Default: false. */
  readonly doSample?: boolean;
  /** Above 0; logits are divided by it. Default: 1. */
  readonly temperature?: number;
  /** Only the k most likely tokens; 0: all. Default: 0. */
  readonly topK?: number;
  /** In (0, 1]: only the most likely tokens that together have so much probability. Default: 1. */
  readonly topP?: number;
  /** In [0, 1]: only tokens with at least this part of the largest probability. Default: 0. */
  readonly minP?: number;
  /** Above 0: scores of tokens that stand in prompt or text are divided by it (multiplied where negative). Default: 1. */
  readonly repetitionPenalty?: number;
  /** Default: 0. */
  readonly seed?: number;
}

/** Where a token is drawn: which stream of the seed's (a prompt's number), and how many tokens it has so far. */
export interface Place {
  readonly stream: number;
  readonly position: number;
}

/** Refuses what is out of range, by the option's name in transformers. */
export const checkSampling = (options: SamplingOptions): void => {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const rules: readonly (readonly [string, number, boolean, string])[] = [
    [
      'temperature',
      temperature,
      temperature > 0 && temperature < Infinity,
      'a number above 0, or leave drawing off',
    ],
    ['top_k', topK, Number.isSafeInteger(topK) && topK >= 0, 'a whole number, 0 for all tokens'],
    ['top_p', topP, topP > 0 && topP <= 1, 'a number in (0, 1]'],
    ['min_p', minP, minP >= 0 && minP <= 1, 'a number in [0, 1]'],
    [
      'repetition_penalty',
      repetitionPenalty,
      repetitionPenalty > 0 && repetitionPenalty < Infinity,
      'a number above 0, such as 1.1',
    ],
  ];
  for (const [field, value, holds, mend] of rules)
    if (!holds)
      throw new EmlocError('INVALID_ARGUMENT', 'OUT_OF_RANGE', `${value} is out of range`, {
        field,
        value: String(value),
        mend: `choose ${mend}`,
      });
};

/** logits [V], ids of prompt and text so far → the next token's id. Throws NOT_FINITE where no logit is largest. */
export const nextToken = (
  logits: Float32Array,
  ids: Iterable<number>,
  options: SamplingOptions,
  { stream, position }: Place,
): number => {
  const scores = processScores(logits, ids, options);
  const best = largest(scores);
  if (!options.doSample) return best;
  const top = scores[best]!;
  let total = 0;
  for (const score of scores) total += Math.exp(score - top);
  let left = uniformAt(options.seed ?? 0, stream, position) * total;
  for (let id = 0; id < scores.length; id++) {
    left -= Math.exp(scores[id]! - top);
    if (left < 0) return id;
  }
  return best; // rounding left a little over
};

/** What the token is chosen by: scores of tokens that are out are −∞. */
export const processScores = (
  logits: Float32Array,
  ids: Iterable<number>,
  { doSample = false, temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 }: SamplingOptions,
): Float32Array => {
  const scores = Float32Array.from(logits);
  if (repetitionPenalty !== 1) penalize(scores, new Set(ids), repetitionPenalty);
  if (!doSample) return scores;
  if (temperature !== 1) for (let i = 0; i < scores.length; i++) scores[i]! /= temperature;
  if (topK > 0 && topK < scores.length) dropBelow(scores, ascending(scores)[scores.length - topK]!);
  if (topP < 1) dropBelow(scores, nucleusBorder(scores, topP));
  // p < minP · max p, without the sum that both have in common.
  if (minP > 0) dropBelow(scores, scores[largest(scores)]! + Math.log(minP));
  return scores;
};

/** ln p of a token as the model has it, before any of the above. */
export const logProbability = (logits: Float32Array, id: number): number => {
  const top = logits[largest(logits)]!;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  return logits[id]! - top - Math.log(sum);
};

const penalize = (scores: Float32Array, ids: ReadonlySet<number>, penalty: number): void => {
  for (const id of ids) {
    const score = scores[id]!;
    scores[id] = score < 0 ? score * penalty : score / penalty;
  }
};

const ascending = (scores: Float32Array): Float32Array => Float32Array.from(scores).sort();

/** The lowest score that top-p keeps: from below, scores go while their probabilities sum to at most 1 − p. */
const nucleusBorder = (scores: Float32Array, topP: number): number => {
  const sorted = ascending(scores);
  const top = sorted.at(-1)!;
  const total = sorted.reduce((sum, score) => sum + Math.exp(score - top), 0);
  let below = 0;
  let i = 0;
  for (; i < sorted.length - 1; i++) {
    below += Math.exp(sorted[i]! - top);
    if (below > (1 - topP) * total) break;
  }
  return sorted[i]!;
};

const dropBelow = (scores: Float32Array, border: number): void => {
  for (let i = 0; i < scores.length; i++) if (scores[i]! < border) scores[i] = -Infinity;
};

/** The first of the largest; NaN counts as larger than any number. */
const largest = (scores: Float32Array): number => {
  let best = 0;
  for (let i = 1; i < scores.length; i++)
    if (!(scores[i]! <= scores[best]!) && !isNaN(scores[best]!)) best = i;
  const score = scores[best];
  if (score !== undefined && Number.isFinite(score)) return best;
  throw new EmlocError('FAILED_PRECONDITION', 'NOT_FINITE', `the largest logit is ${score}`, {
    field: 'model',
    value: String(score),
    mend: 'the weights or the adapter hold NaN or infinity, or overflow: fetch the model again, or train with a lower learning rate',
  });
};
