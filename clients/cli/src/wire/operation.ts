/** Messages of emloc.operation.v1, as libs/mesh hands them out: absent messages are null, absent optionals undefined. */
import type { CallOptions, StatusMessage } from '@emloc/mesh';
import type { ArtifactReference } from './artifact.ts';

export interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}

export interface Progress {
  readonly stage: string;
  readonly step: number;
  readonly totalSteps: number;
  readonly loss?: number;
  readonly tokensPerSecond?: number;
  readonly remainingSeconds?: number;
  readonly residentBytes?: number;
  readonly peakResidentBytes?: number;
}

export interface MemoryPrediction {
  readonly peakResidentBytes: number;
  readonly budgetBytes?: number;
  readonly partsBytes: Readonly<Record<string, number>>;
}

export interface ResourceUsage {
  readonly peakResidentBytes: number;
  readonly peakAnonymousBytes: number;
  readonly wallSeconds: number;
}

export interface TrainingStep {
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly epoch: number;
}

export interface TrainingEvaluation {
  readonly step: number;
  readonly loss: number;
  readonly best: boolean;
}

export interface LinearCompression {
  readonly module: string;
  readonly rank: number;
  readonly ratio: number;
  readonly truncationLoss: number;
  readonly relativeTruncationLoss: number;
  /** Where an expert's linear keeps its full weights, since only so many calibration rows came to it. */
  readonly keptFullRows?: number | null;
}

export interface LinearCorrection {
  readonly module: string;
  readonly clampedRows: number;
  readonly rows: number;
  readonly clampRatios: readonly number[];
}

export interface CandidateEvaluation {
  readonly name: string;
  readonly method: string;
  readonly maxCorrectionRatio?: number;
  readonly scale?: number;
  readonly loss: number;
  readonly chosen: boolean;
  /** Fewer than there are for one that fell behind on the first of them. */
  readonly rows: number;
}

export interface EvaluationResult {
  readonly loss: number;
  readonly perplexity: number;
  readonly rows: number;
  readonly tokens: number;
  readonly exactMatch?: number;
  readonly exactMatchRows: number;
  readonly choiceAccuracy?: number;
  readonly tokenAccuracy?: number;
}

export interface OperationResult {
  readonly prediction: MemoryPrediction | null;
  readonly usage: ResourceUsage | null;
  readonly fromStore: boolean;
  readonly calibration?: {
    readonly statistics: ArtifactReference;
    readonly samples: number;
    readonly tokens: number;
  } | null;
  readonly compression?: {
    readonly emulator: ArtifactReference;
    readonly linears: readonly LinearCompression[];
    readonly parameterRatio: number;
    readonly calibrationPrediction: MemoryPrediction | null;
    readonly calibrationUsage: ResourceUsage | null;
  } | null;
  readonly training?: {
    readonly adapter: ArtifactReference;
    readonly optimizer: ArtifactReference;
    readonly log: ArtifactReference;
    readonly steps: number;
    readonly finalLoss: number;
    readonly bestEvaluationLoss?: number;
    readonly tokens: number;
    readonly stoppedEarly: boolean;
  } | null;
  readonly correction?: {
    readonly adapter: ArtifactReference;
    readonly chosen: string;
    readonly candidates: readonly CandidateEvaluation[];
    readonly linears: readonly LinearCorrection[];
    readonly changed: boolean;
  } | null;
  readonly merge?: { readonly model: ArtifactReference } | null;
  readonly evaluation?: EvaluationResult | null;
}

export type OperationState =
  | 'OPERATION_STATE_UNSPECIFIED'
  | 'OPERATION_STATE_QUEUED'
  | 'OPERATION_STATE_RUNNING'
  | 'OPERATION_STATE_PAUSED'
  | 'OPERATION_STATE_SUCCEEDED'
  | 'OPERATION_STATE_FAILED'
  | 'OPERATION_STATE_CANCELLED';

export interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly state: OperationState;
  readonly attempt: number;
  readonly cursor: number;
  readonly progress: Progress | null;
  readonly usage: ResourceUsage | null;
  readonly result?: OperationResult | null;
  readonly error?: StatusMessage | null;
}

export interface OperationStateChanged {
  readonly state: OperationState;
  readonly result: OperationResult | null;
  readonly error: StatusMessage | null;
  readonly usage: ResourceUsage | null;
}

export interface OperationEvent {
  readonly cursor: number;
  readonly time: Timestamp | null;
  readonly attempt: number;
  readonly event?: string;
  readonly stateChanged?: OperationStateChanged | null;
  readonly prediction?: MemoryPrediction | null;
  readonly progress?: Progress | null;
  readonly trainingStep?: TrainingStep | null;
  readonly trainingEvaluation?: TrainingEvaluation | null;
  readonly linearCompression?: LinearCompression | null;
  readonly linearCorrection?: LinearCorrection | null;
  readonly candidateEvaluation?: CandidateEvaluation | null;
  readonly notice?: { readonly text: string; readonly warning: boolean } | null;
}

interface ById {
  readonly id: string;
}
interface OneOperation {
  readonly operation: Operation;
}

export interface OperationClient {
  getOperation(request: ById, options?: CallOptions): Promise<OneOperation>;
  watchOperation(
    request: ById & { readonly afterCursor: number },
    options?: CallOptions,
  ): AsyncIterable<{ readonly event: OperationEvent }>;
  cancelOperation(request: ById, options?: CallOptions): Promise<OneOperation>;
  pauseOperation(request: ById, options?: CallOptions): Promise<OneOperation>;
  resumeOperation(request: ById, options?: CallOptions): Promise<OneOperation>;
  deleteOperation(request: ById, options?: CallOptions): Promise<object>;
}
