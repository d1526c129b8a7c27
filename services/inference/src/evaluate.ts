/** An evaluation on a data set as an operation. */
import { packedTokens, predictPeak, type SweepOptions } from '@emloc/emloc';
import { halfPrecision } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
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
import { ChoiceCollector, chooseInTurns, widestRow } from './choose-in-turns.ts';
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
  const collector = request.choices.length === 0 ? undefined : new ChoiceCollector(request.choices, model);
  const loading = loadRows(request.dataset, model, { labels: 'some', see: collector?.see });
  const data = await loading.catch((error: unknown) => {
    collector?.abandon();
    throw error;
  });
  const choices = collector?.finish();
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
    predicted: predict(checked, request, data, choices === undefined ? 0 : widestRow(choices)),
    budgetBytes: request.memoryBudgetBytes,
    mend: () => 'stream the weights (weight_loading), or use shorter rows',
    work: () =>
      withWeights(checked, request, async (source, adapter) => {
        const { signal } = context;
        const scoresSuffice = !exactMatch && collector?.holdsLabels === true;
        const rows = scoresSuffice ? 0 : data.length;
        const progress = new ProgressReporter(context, 'evaluate', rows + (choices?.length ?? 0));
        const reporting = (before: number): SweepOptions => ({
          signal,
          onProgress: ({ done }) => progress.report(before + done),
        });
        const evaluation = rows === 0 ? undefined : await evaluateInTurns(source, adapter, data, reporting);
        const chosen =
          choices === undefined
            ? undefined
            : await chooseInTurns(source, adapter, choices, (before) => reporting(rows + before));
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

function predict(
  { model, directory }: CheckedWeights,
  { weightLoading }: EvaluationRequest,
  data: LoadedRows,
  widestChoices: number,
): ReturnType<typeof predictPeak> {
  const longest = Math.max(data.longest, widestChoices);
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
