/** Evaluation as a command: checks, the operation, the figures. */
import { choicesFor, noPrompt, requireAnswer, type Choice, type ChooseFor } from '@emloc/datasets';
import { checkData, type LookAtRow } from '../checks/data.ts';
import { checkAdapter, checkChoices } from '../checks/inputs.ts';
import { checkWeights } from '../checks/weights.ts';
import type { EvaluateOptions } from '../commands/evaluate.ts';
import type { CommandContext } from '../context.ts';
import { fromHub } from '../models/from-hub.ts';
import { toPrecision } from '../options/training-request.ts';
import { formatNumber } from '../output/format.ts';
import { pairs, type Cell } from '../output/table.ts';
import type { EvaluationResult } from '../wire/operation.ts';
import { present } from '../wire/present.ts';
import type { StartEvaluationRequest } from '../wire/stages.ts';
import { measuredLines } from './measured-lines.ts';
import { measured, runStage } from './stage.ts';

export async function evaluate(context: CommandContext, typed: EvaluateOptions): Promise<void> {
  const options = await fromHub(context, typed);
  const { adapter } = options;
  const weights = await checkWeights(options);
  if (adapter !== undefined) await checkAdapter('--adapter', adapter, weights.directory, context.output);
  const choices = options.choices === undefined ? [] : await checkChoices(options.choices);
  const look = choices.length === 0 ? undefined : fits(choices, options.limit);
  const data = await checkData(context, '--data', options.data, weights.directory, options, 'some', look);
  await runStage(context, {
    service: 'inference',
    kind: 'evaluate',
    server: options.server,
    start: async (client, operationId, files) =>
      client.startEvaluation({
        operationId,
        ...(await weights.source(files)),
        adapter: adapter === undefined ? undefined : await files.input(adapter),
        dataset: { ...(await data.spec(files)), maxRows: options.limit },
        ...toChoices(choices),
        exactMatch: options.exactMatch,
        precision: toPrecision(options.precision),
      }),
    finish: async (result) => {
      const evaluation = present(result.evaluation, 'evaluation');
      context.output.result({ ...evaluationObject(evaluation), ...measured(result) }, () =>
        pairs([...evaluationLines(evaluation), ...measuredLines(result)]),
      );
    },
  });
}

/** So many rows show whether the choices are of the rows' kind; the service looks at the rest. */
const rowsLookedAt = 1000;

/** Each row's own answer must be among the choices. */
function fits(choices: readonly Choice[], limit = rowsLookedAt): LookAtRow {
  let left = Math.min(limit, rowsLookedAt);
  let choose: ChooseFor | undefined;
  return (place, row, tokenizer, limits) => {
    if (left-- <= 0) return;
    if (row === undefined) throw noPrompt(place, 'packed text has no prompt to choose an answer for');
    choose ??= choicesFor(choices, limits);
    requireAnswer(row, choose(row, tokenizer));
  };
}

export const evaluationObject = (evaluation: EvaluationResult): Record<string, unknown> => ({
  loss: evaluation.loss,
  perplexity: evaluation.perplexity,
  token_accuracy: evaluation.tokenAccuracy,
  exact_match: evaluation.exactMatch,
  exact_match_rows: evaluation.exactMatch === undefined ? undefined : evaluation.exactMatchRows,
  choice_accuracy: evaluation.choiceAccuracy,
  rows: evaluation.rows,
  tokens: evaluation.tokens,
});

export function evaluationLines(evaluation: EvaluationResult): [string, Cell][] {
  const { exactMatch, choiceAccuracy, tokenAccuracy } = evaluation;
  return [
    ['loss', formatNumber(evaluation.loss)],
    ['perplexity', formatNumber(evaluation.perplexity)],
    ...(tokenAccuracy === undefined
      ? []
      : [['token accuracy', formatNumber(tokenAccuracy)] as [string, Cell]]),
    ...(exactMatch === undefined
      ? []
      : [
          ['exact match', `${formatNumber(exactMatch)} of ${evaluation.exactMatchRows} rows`] as [
            string,
            Cell,
          ],
        ]),
    ...(choiceAccuracy === undefined
      ? []
      : [['accuracy among choices', formatNumber(choiceAccuracy)] as [string, Cell]]),
    ['rows', evaluation.rows],
    ['labelled tokens', evaluation.tokens],
  ];
}

/** Answers as texts, or as token ids for pre-tokenized rows. */
function toChoices(choices: readonly Choice[]): Pick<StartEvaluationRequest, 'choices' | 'choiceIds'> {
  const texts = choices.filter((choice) => typeof choice === 'string');
  if (texts.length > 0) return { choices: texts };
  return { choiceIds: choices.filter((choice) => typeof choice !== 'string').map((ids) => ({ ids })) };
}
