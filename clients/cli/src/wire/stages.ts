/** The Start… calls of the stage services and what they take. */
import type { CallOptions } from '@emloc/mesh';
import type { DatasetSpec, Source } from './artifact.ts';
import type { GenerateRpc } from './generation.ts';
import type { Operation } from './operation.ts';

export type Precision = 'PRECISION_UNSPECIFIED' | 'PRECISION_F32' | 'PRECISION_BF16';
export type WeightLoading =
  'WEIGHT_LOADING_UNSPECIFIED' | 'WEIGHT_LOADING_RESIDENT' | 'WEIGHT_LOADING_STREAMED';
export type CorrectionMethod =
  | 'CORRECTION_METHOD_UNSPECIFIED'
  | 'CORRECTION_METHOD_PAPER'
  | 'CORRECTION_METHOD_NONE'
  | 'CORRECTION_METHOD_AUTO';
export type CompressionMethod = 'COMPRESSION_METHOD_ACTIVATION_SVD' | 'COMPRESSION_METHOD_SVD';

export interface CalibrationOptions {
  readonly dataset?: DatasetSpec;
  readonly samples?: number;
  readonly seed?: number;
}

export interface CompressionOptions {
  readonly ratio?: number;
  readonly ratios?: readonly { readonly pattern: string; readonly ratio: number }[];
  readonly method?: CompressionMethod;
}

export interface LoraConfig {
  readonly r?: number;
  readonly loraAlpha?: number;
  readonly loraDropout?: number;
  readonly targetModules?: readonly string[];
  readonly targetModulesPattern?: string;
}

export interface TrainingOptions {
  readonly learningRate?: number;
  readonly maxSteps?: number;
  readonly numTrainEpochs?: number;
  readonly batchSize?: number;
  readonly gradientAccumulationSteps?: number;
  readonly lrSchedulerType?: string;
  readonly warmupSteps?: number;
  readonly warmupRatio?: number;
  readonly weightDecay?: number;
  readonly adamBeta1?: number;
  readonly adamBeta2?: number;
  readonly adamEpsilon?: number;
  readonly maxGradNorm?: number;
  readonly groupByLength?: boolean;
  readonly shuffle?: boolean;
  readonly seed?: number;
  readonly evalSteps?: number;
  readonly earlyStoppingPatience?: number;
  readonly saveSteps?: number;
  readonly precision?: Precision;
}

interface Starts {
  readonly operationId: string;
  readonly memoryBudgetBytes?: number;
}

export type Weights = { readonly model: Source } | { readonly emulator: Source };

export interface StartCalibrationRequest extends Starts {
  readonly model: Source;
  readonly options: CalibrationOptions;
}

export interface StartCompressionRequest extends Starts {
  readonly model: Source;
  readonly statistics?: { readonly source: Source };
  readonly options: CompressionOptions;
}

export type StartTrainingRequest = Starts &
  Weights & {
    readonly dataset: DatasetSpec;
    readonly evalDataset?: DatasetSpec;
    readonly lora?: LoraConfig;
    readonly options: TrainingOptions;
    readonly adapterInit?: Source;
  };

export interface StartCorrectionRequest extends Starts {
  readonly model: Source;
  readonly emulator: Source;
  readonly adapter: Source;
  readonly method: CorrectionMethod;
  readonly maxCorrectionRatio?: number;
  readonly heldOut?: DatasetSpec;
  readonly precision?: Precision;
}

export interface StartMergeRequest extends Starts {
  readonly model: Source;
  readonly adapter: Source;
}

export type StartEvaluationRequest = Starts &
  Weights & {
    readonly adapter?: Source;
    readonly dataset: DatasetSpec;
    readonly choices?: readonly string[];
    readonly choiceIds?: readonly { readonly ids: readonly number[] }[];
    readonly exactMatch?: boolean;
    readonly precision?: Precision;
    readonly weightLoading?: WeightLoading;
  };

interface Started {
  readonly operation: Operation;
}

type Rpc<Request> = (request: Request, options?: CallOptions) => Promise<Started>;

export interface StageClient {
  readonly startCalibration: Rpc<StartCalibrationRequest>;
  readonly startCompression: Rpc<StartCompressionRequest>;
  readonly startTraining: Rpc<StartTrainingRequest>;
  readonly startCorrection: Rpc<StartCorrectionRequest>;
  readonly startMerge: Rpc<StartMergeRequest>;
  readonly startEvaluation: Rpc<StartEvaluationRequest>;
  readonly generate: GenerateRpc;
}
