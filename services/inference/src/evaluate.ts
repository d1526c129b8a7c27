/** An evaluation on a data set as an operation. */
import { choiceRows, requireAnswer, type Choice } from '@emloc/datasets';
import { evaluateChoices, packedTokens, predictPeak, type ChoiceRow, type SweepOptions } from '@emloc/emloc';
import { halfPrecision } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { ModelDirectory } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import {
  digestOf,
  loadRows,
  openStore,
  performStage,
  ProgressReporter,
  type LoadedRows,
  type OperationResult,
} from '@emloc/service-kit/worker';
import { evaluateInTurns } from './evaluate-in-turns.ts';
import type { EvaluationRequest } from './requests.ts';
import { checkWeights, withWeights, type CheckedWeights } from './weights.ts';

export async function evaluateWeights(
  request: EvaluationRequest,
  context: WorkerContext,
): Promise<OperationResult> {
  const store = openStore();
  const checked = checkWeights(request);
  const { model, directory } = checked;
  const data = await loadRows(request.dataset, model, {
    labels: 'some',
    keepRaw: request.choices.length > 0,
  });
  const choices = choicesOf(request, data, model);
  const { dataset, precision, weightLoading, exactMatch } = request;
  return performStage(context, {
    kind: 'evaluation',
    store,
    inputs: {
      weights: await digestOf(store, model.dir),
      adapter: directory && (await digestOf(store, directory.dir)),
      dataset: { ...dataset, path: await digestOf(store, dataset.path) },
      choices: request.choices,
      exactMatch,
      precision,
      weightLoading,
    },
    predicted: predict(checked, request, data, choices),
    budgetBytes: request.memoryBudgetBytes,
    mend: () => 'stream the weights (weight_loading), or use shorter rows',
    work: () =>
      withWeights(checked, request, async (source, adapter) => {
        const { signal } = context;
        const scoresSuffice = !exactMatch && choicesHoldLabels(choices, data);
        const rows = scoresSuffice ? 0 : data.length;
        const progress = new ProgressReporter(context, 'evaluate', rows + choices.length);
        const reporting = (before: number): SweepOptions => ({
          signal,
          onProgress: ({ done }) => progress.report(before + done),
        });
        const evaluation = rows === 0 ? undefined : await evaluateInTurns(source, adapter, data, reporting);
        const chosen =
          choices.length === 0 ? undefined : await evaluateChoices(source, adapter, choices, reporting(rows));
        const exact = exactMatch ? evaluation?.exactMatch : undefined;
        const loss = finite(evaluation?.loss ?? chosen?.loss ?? NaN);
        return {
          loss,
          // Of a loss above 709; a result is JSON, which knows no infinity.
          perplexity: Math.min(Math.exp(loss), Number.MAX_VALUE),
          rows: data.length,
          tokens: evaluation?.labelledTokens ?? chosen?.answerTokens ?? 0,
          exactMatch: exact?.accuracy,
          exactMatchRows: exact?.rows ?? 0,
          choiceAccuracy: chosen?.accuracy,
          tokenAccuracy: evaluation?.tokenAccuracy,
        };
      }),
  });
}

/** NaN in the weights makes every loss NaN; as a result it would read as 0. */
function finite(loss: number): number {
  if (Number.isFinite(loss)) return loss;
  throw new EmlocError('FAILED_PRECONDITION', 'NOT_FINITE', `the loss is ${loss}`, {
    field: 'model',
    mend: 'the weights or the adapter hold NaN or infinity, or overflow: fetch the model again, or train with a lower learning rate',
  });
}

/** Are the labelled tokens of every row those of its right answer? Then the scores of the choices hold the loss, too. */
function choicesHoldLabels(choices: readonly ChoiceRow[], data: LoadedRows): boolean {
  if (choices.length === 0) return false;
  return choices.every(({ choices: ids, answer }, i) => {
    const answerIds = ids[answer] ?? [];
    const labelled = (data.at(i).labels ?? []).filter((label) => label !== -100);
    return labelled.length === answerIds.length && labelled.every((id, t) => id === answerIds[t]);
  });
}

/** Each row's prompt with every answer after it; a row whose own answer is not among them is refused. */
function choicesOf(request: EvaluationRequest, data: LoadedRows, model: ModelDirectory): ChoiceRow[] {
  if (request.choices.length === 0) return [];
  const { vocabSize, maxPositionEmbeddings: contextLength } = model.config;
  const rows = choiceRows(data.raw, request.choices as readonly Choice[], data.tokenizer, {
    vocabSize,
    contextLength,
  });
  return rows.map((row, i) => {
    requireAnswer(data.table.at(i), row);
    const { promptIds, candidates, answer } = row;
    return { promptIds: Array.from(promptIds), choices: candidates.map((ids) => Array.from(ids)), answer };
  });
}

function predict(
  { model, directory }: CheckedWeights,
  { weightLoading }: EvaluationRequest,
  data: LoadedRows,
  choices: readonly ChoiceRow[],
): ReturnType<typeof predictPeak> {
  const widest = choices.map(
    (row) => row.promptIds.length + row.choices.reduce((n, ids) => n + ids.length, 0),
  );
  const longest = Math.max(data.longest, ...widest);
  const lora = directory?.settings;
  return predictPeak(weightLoading === 'resident' ? 'inference' : 'selection', {
    model,
    convertsWeights: halfPrecision() === 'cast',
    microBatchTokens: Math.max(longest, Math.min(data.tokens, packedTokens)),
    sequenceTokens: longest,
    lora: lora && { r: lora.r, targetModules: lora.targetModules },
    candidates: 1,
  });
}
