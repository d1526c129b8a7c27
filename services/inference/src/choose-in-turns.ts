/** Answers to choose from: rows made and checked before any work, then scored so many at a time. */
import { ChoiceTableWriter, choicesFor, noPrompt, requireAnswer, type ChoiceTable } from '@emloc/datasets';
import { evaluateChoices, type ChoiceRow, type LoraAdapter, type SweepOptions } from '@emloc/emloc';
import { IGNORED_LABEL, type ModelDirectory, type WeightSource } from '@emloc/models';
import type { SeeLoadedRow } from '@emloc/service-kit/worker';
import { tokensAtOnce, turns } from './evaluate-in-turns.ts';
import type { EvaluationRequest } from './requests.ts';

/** What is left of the scores of all rows. */
export interface Chosen {
  readonly accuracy: number;
  /** Mean over the tokens of the right answers. */
  readonly loss: number;
  readonly answerTokens: number;
}

/** Takes rows as they are loaded. */
export class ChoiceCollector {
  readonly #writer = new ChoiceTableWriter();
  readonly #choose: ReturnType<typeof choicesFor>;
  #holdsLabels = true;

  constructor(choices: EvaluationRequest['choices'], { config }: ModelDirectory) {
    const { vocabSize, maxPositionEmbeddings: contextLength } = config;
    this.#choose = choicesFor(choices, { vocabSize, contextLength });
  }

  /** Errors: a row without a prompt, or whose own answer is not among the choices. */
  readonly see: SeeLoadedRow = (tokens, row, tokenizer) => {
    if (row === undefined) throw noPrompt(tokens, 'packed text has no prompt to choose an answer for');
    const chosen = this.#choose(row, tokenizer);
    requireAnswer(tokens, chosen);
    const right = chosen.candidates[chosen.answer] ?? [];
    const labelled = tokens.labels.filter((label) => label !== IGNORED_LABEL);
    if (labelled.length !== right.length || labelled.some((id, t) => id !== right[t]))
      this.#holdsLabels = false;
    this.#writer.add(tokens, chosen);
  };

  /** Are the labelled tokens of every row those of its right answer? Then the scores of the choices hold the loss, too. */
  get holdsLabels(): boolean {
    return this.#holdsLabels;
  }

  finish(): ChoiceTable {
    return this.#writer.finish();
  }

  abandon(): void {
    this.#writer.abandon();
  }
}

/** Tokens of the row that has most, with all its candidates. */
export function widestRow(table: ChoiceTable): number {
  let widest = 0;
  for (let i = 0; i < table.length; i++) widest = Math.max(widest, table.tokensOf(i));
  return widest;
}

export async function chooseInTurns(
  source: WeightSource,
  adapter: LoraAdapter | undefined,
  table: ChoiceTable,
  reporting: (before: number) => SweepOptions,
  maxTokens = tokensAtOnce,
): Promise<Chosen> {
  let right = 0;
  let lossSum = 0;
  let answerTokens = 0;
  for (const [begin, end] of turns(table.length, (i) => table.tokensOf(i), maxTokens)) {
    const rows = Array.from({ length: end - begin }, (_, i) => toChoiceRow(table.at(begin + i)));
    const part = await evaluateChoices(source, adapter, rows, reporting(begin));
    right += part.chosen.filter((choice, i) => choice === rows[i]?.answer).length;
    lossSum += part.loss * part.answerTokens;
    answerTokens += part.answerTokens;
  }
  return { accuracy: right / table.length, loss: lossSum / answerTokens, answerTokens };
}

const toChoiceRow = ({ promptIds, candidates, answer }: ReturnType<ChoiceTable['at']>): ChoiceRow => ({
  promptIds: Array.from(promptIds),
  choices: candidates.map((ids) => Array.from(ids)),
  answer,
});
