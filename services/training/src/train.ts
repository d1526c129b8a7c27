/** A training as an operation: rows, adapter and checkpoint in, adapter, optimizer state and log out. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  planOfRows,
  readCheckpoint,
  saveAdapter,
  train,
  writeCheckpoint,
  type Checkpoint,
  type TrainingEvent,
  type TrainingOptions,
} from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import { modelName, openModel, openWeights, type ModelDirectory } from '@emloc/models';
import type { WorkerContext } from '@emloc/operations';
import {
  digestOf,
  loadRows,
  openStore,
  performStage,
  ProgressReporter,
  toReference,
  type DatasetRequest,
  type LoadedRows,
  type OperationResult,
  type TrainingResult,
} from '@emloc/service-kit/worker';
import { beginAdapter, beginMoments, checkAdapter, historyOf } from './adapter.ts';
import { batchesOf, type Batches } from './batches.ts';
import { memorySpec, mendTraining, predictTraining } from './predict.ts';
import type { TrainingRequest } from './requests.ts';
import { TrainingLog } from './training-log.ts';

type Store = ReturnType<typeof openStore>;

/** All that was read and checked before the engine is started. */
interface Prepared {
  readonly request: TrainingRequest;
  readonly model: ModelDirectory;
  readonly options: TrainingOptions;
  readonly training: LoadedRows;
  readonly evaluation: LoadedRows | undefined;
  readonly batches: Batches;
  readonly dataDigest: string;
}

export async function trainAdapter(
  request: TrainingRequest,
  context: WorkerContext,
): Promise<OperationResult> {
  const store = openStore();
  const prepared = await prepare(request, store);
  const { model, options, batches } = prepared;
  const spec = memorySpec(model, options, batches);
  return performStage(context, {
    kind: 'training',
    store,
    inputs: await inputsOf(prepared, store),
    predicted: predictTraining(spec, request.weightLoading),
    budgetBytes: request.memoryBudgetBytes,
    mend: () => mendTraining(spec, request.memoryBudgetBytes),
    work: () => run(prepared, store, context),
  });
}

async function prepare(request: TrainingRequest, store: Store): Promise<Prepared> {
  const { weights, dataset, evalDataset, dataStartStep } = request;
  const model = openModel(weights.path);
  assertKind(model, weights.kind);
  const options = checkAdapter(request, model);
  const training = await loadRows(dataset, model, { labels: 'every' });
  const evaluation =
    evalDataset === undefined ? undefined : await loadRows(evalDataset, model, { labels: 'some' });
  const batches = batchesOf(training, options, dataStartStep);
  return {
    request,
    model,
    options,
    training,
    evaluation,
    batches,
    dataDigest: await digestOf(store, dataset.path),
  };
}

async function run(prepared: Prepared, store: Store, context: WorkerContext): Promise<TrainingResult> {
  const { request, model, options, training, evaluation, batches, dataDigest } = prepared;
  const checkpointPath = join(context.checkpointDir, 'checkpoint.safetensors');
  const resume = existsSync(checkpointPath) ? readCheckpoint(checkpointPath) : undefined;
  const log = new TrainingLog(join(context.checkpointDir, 'log.jsonl'), resume?.step ?? 0);
  const progress = new ProgressReporter(context, 'train', batches.totalSteps);
  const { precision } = options;
  const source = openWeights(model, { mode: request.weightLoading, computeDtype: precision });
  try {
    using adapter = beginAdapter(request, model, options);
    const { isLastStep, ...result } = await train({
      source,
      adapter,
      plan: planOfRows(training, batches.plan, dataDigest),
      options,
      evaluationRows: evaluation?.slice(),
      firstBatch: request.dataStartStep,
      moments: resume === undefined ? beginMoments(request, adapter) : undefined,
      resume,
      signal: context.signal,
      onEvent: (event) => tell(event, context, log, progress, batches),
      saveCheckpoint: (checkpoint: Checkpoint) => {
        writeCheckpoint(checkpointPath, checkpoint);
        context.checkpointed();
      },
    }).then(({ moments, ...rest }) => ({ ...rest, isLastStep: moments !== undefined })); // they are in the checkpoint
    const out = join(context.outputDir, 'adapter');
    await saveAdapter(adapter, out, {
      baseModel: model.emulator?.original.name ?? modelName(model.dir),
      history: await historyOf(request, model, result.steps),
      overwrite: true,
    });
    return {
      adapter: toReference(await store.adopt(out)),
      // Moments belong to the last step's factors; where an earlier, better adapter was kept there are none for it.
      optimizer: isLastStep ? toReference(await store.putFile(checkpointPath)) : undefined,
      log: toReference(await store.putFile(log.path)),
      steps: result.steps,
      finalLoss: log.finalLoss,
      bestEvaluationLoss: result.best?.loss,
      tokens: log.tokens,
      stoppedEarly: result.stoppedEarly,
    };
  } finally {
    source.close();
  }
}

function tell(
  event: TrainingEvent,
  context: WorkerContext,
  log: TrainingLog,
  progress: ProgressReporter,
  { plan }: Batches,
): void {
  if (event.kind === 'step') {
    const { loss, gradNorm, learningRate, tokens, seconds, totalSteps, tokensPerSecond, remainingSeconds } =
      event;
    const step = event.step + 1;
    log.add({ step, loss, grad_norm: gradNorm, learning_rate: learningRate, tokens });
    const epoch = step / plan.stepsPerEpoch;
    context.emit({
      trainingStep: { step, totalSteps, loss, gradNorm, learningRate, tokens, seconds, epoch },
    });
    progress.report(step, { loss, tokensPerSecond, remainingSeconds });
  } else if (event.kind === 'evaluation') {
    const { step, loss, isBest } = event;
    context.emit({ trainingEvaluation: { step, loss, best: isBest } });
  }
}

function assertKind(model: ModelDirectory, kind: 'model' | 'emulator'): void {
  if ((model.emulator !== undefined) === (kind === 'emulator')) return;
  const isEmulator = model.emulator !== undefined;
  const problem = isEmulator ? 'is an emulator, not an original model' : 'is no emulator';
  throw new EmlocError(
    'INVALID_ARGUMENT',
    isEmulator ? 'IS_AN_EMULATOR' : 'NOT_AN_EMULATOR',
    `${model.dir} ${problem}`,
    {
      field: kind,
      value: model.dir,
      mend: isEmulator
        ? 'name it as the emulator'
        : 'name it as the model, or give a directory that compress wrote',
    },
  );
}

async function inputsOf(prepared: Prepared, store: Store): Promise<Record<string, unknown>> {
  const { request, model, options, dataDigest } = prepared;
  const { dataset, evalDataset, adapterInit, optimizerInit, dataStartStep, weightLoading } = request;
  const contents = async (spec: DatasetRequest | undefined) =>
    spec && { ...spec, path: await digestOf(store, spec.path) };
  const { saveSteps: _, ...decisive } = options;
  return {
    weights: await digestOf(store, model.dir),
    dataset: { ...dataset, path: dataDigest },
    evalDataset: await contents(evalDataset),
    options: decisive,
    dataStartStep,
    weightLoading,
    adapterInit: adapterInit && (await digestOf(store, adapterInit)),
    optimizerInit: optimizerInit && (await digestOf(store, optimizerInit)),
  };
}
