/** emloc.training.v1 requests ↔ what the worker is told. Options are read by the method's own schema (libs/emloc). */
import { parseTrainingOptions, type TrainingOptions } from '@emloc/emloc';
import { EmlocError } from '@emloc/errors';
import {
  precisions,
  readDataset,
  readMemoryBudget,
  readOptionalDataset,
  readOptionalSource,
  readWeights,
  weightLoadings,
  type DatasetRequest,
  type Fields,
  type SourceResolver,
  type WeightLoading,
} from '@emloc/service-kit';

export interface TrainingRequest {
  readonly weights: { readonly path: string; readonly kind: 'model' | 'emulator' };
  readonly dataset: DatasetRequest;
  readonly evalDataset: DatasetRequest | undefined;
  readonly options: TrainingOptions;
  /** Whether the request says anything about the adapter; an adapter to start from must then agree. */
  readonly givesLora: boolean;
  readonly dataStartStep: number;
  readonly adapterInit: string | undefined;
  readonly optimizerInit: string | undefined;
  readonly weightLoading: WeightLoading;
  readonly memoryBudgetBytes: number | undefined;
}

export interface PlanRequest {
  readonly model: string;
  readonly dataset: DatasetRequest;
  readonly evalDataset: DatasetRequest | undefined;
  readonly options: TrainingOptions;
  readonly givesLora: boolean;
  readonly adapterInit: string | undefined;
}

const schedulers = {
  LR_SCHEDULER_TYPE_COSINE: 'cosine',
  LR_SCHEDULER_TYPE_LINEAR: 'linear',
  LR_SCHEDULER_TYPE_CONSTANT: 'constant',
  LR_SCHEDULER_TYPE_CONSTANT_WITH_WARMUP: 'constant_with_warmup',
} as const;

export async function readTraining(request: Fields, sources: SourceResolver): Promise<TrainingRequest> {
  const weights = await readWeights(request, sources);
  const options = readOptions(request);
  const given = request.message('options');
  const evalDataset = await readOptionalDataset(request.message('evalDataset'), sources);
  if (options.evalSteps > 0 && evalDataset === undefined) request.missing('evalDataset');
  const adapterInit = await readOptionalSource(request.message('adapterInit'), sources);
  const optimizerInit = await readOptionalSource(request.message('optimizerInit'), sources);
  if (optimizerInit !== undefined && adapterInit === undefined) request.missing('adapterInit');
  return {
    weights,
    dataset: await readDataset(request.required('dataset'), sources),
    evalDataset: options.evalSteps > 0 ? evalDataset : undefined,
    options,
    givesLora: request.has('lora'),
    dataStartStep: given?.integer('dataStartStep', { min: 0 }) ?? 0,
    adapterInit,
    optimizerInit,
    weightLoading: request.choice('weightLoading', weightLoadings) ?? 'streamed',
    memoryBudgetBytes: readMemoryBudget(request),
  };
}

export async function readPlan(request: Fields, sources: SourceResolver): Promise<PlanRequest> {
  return {
    model: (await sources.resolve(request.required('model'))).path,
    dataset: await readDataset(request.required('dataset'), sources),
    evalDataset: await readOptionalDataset(request.message('evalDataset'), sources),
    options: readOptions(request),
    givesLora: request.has('lora'),
    adapterInit: await readOptionalSource(request.message('adapterInit'), sources),
  };
}

/** The fields of `options` and `lora` as one set of options. */
function readOptions(request: Fields): TrainingOptions {
  const options = request.message('options');
  const lora = request.message('lora');
  const names = lora?.texts('targetModules', 1000) ?? [];
  const pattern = lora?.text('targetModulesPattern', 4096);
  if (names.length > 0 && pattern !== undefined) {
    throw lora!.wrong('targetModulesPattern', 'stands beside target_modules', 'give one of the two');
  }
  const patience = options?.integer('earlyStoppingPatience', { min: 0 });
  const given = {
    learningRate: options?.number('learningRate'),
    maxSteps: options?.integer('maxSteps'),
    numTrainEpochs: options?.number('numTrainEpochs'),
    batchSize: options?.integer('batchSize'),
    gradientAccumulationSteps: options?.integer('gradientAccumulationSteps'),
    lrSchedulerType: options?.choice('lrSchedulerType', schedulers),
    warmupSteps: options?.integer('warmupSteps'),
    warmupRatio: options?.number('warmupRatio'),
    weightDecay: options?.number('weightDecay'),
    adamBeta1: options?.number('adamBeta1'),
    adamBeta2: options?.number('adamBeta2'),
    adamEpsilon: options?.number('adamEpsilon'),
    maxGradNorm: options?.number('maxGradNorm'),
    groupByLength: options?.boolean('groupByLength'),
    shuffle: options?.boolean('shuffle'),
    seed: options?.integer('seed'),
    evalSteps: options?.integer('evalSteps'),
    // 0 is a way to say never.
    earlyStoppingPatience: patience === 0 ? undefined : patience,
    earlyStoppingThreshold: options?.number('earlyStoppingThreshold'),
    loadBestModelAtEnd: options?.boolean('loadBestModelAtEnd'),
    saveSteps: options?.integer('saveSteps'),
    precision: options?.choice('precision', precisions),
  };
  const adapter = {
    loraR: lora?.integer('r'),
    loraAlpha: lora?.number('loraAlpha'),
    loraDropout: lora?.number('loraDropout'),
    targetModules: pattern ?? (names.length === 0 ? undefined : names),
  };
  try {
    return parseTrainingOptions({ ...given, ...adapter });
  } catch (error) {
    throw error instanceof EmlocError ? withPath(error, request) : error;
  }
}

/** The schema names an option (`lora_r`, `per_device_train_batch_size`); the contract a field (`lora.r`). */
function withPath(error: EmlocError, request: Fields): EmlocError {
  const name = error.field ?? '';
  const isAdapters = name.startsWith('lora_') || name === 'target_modules';
  const short = name === 'lora_r' ? 'r' : name.replace('per_device_train_batch_size', 'batch_size');
  const { code, reason, message, value, mend = 'see the contract of the field', metadata, cause } = error;
  const field = request.pathOf(isAdapters ? 'lora' : 'options');
  return new EmlocError(code, reason, message, { field: `${field}.${short}`, value, mend, metadata, cause });
}
