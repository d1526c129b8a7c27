/** Messages of emloc.coordinator.v1, as libs/mesh hands them out. */
import type { CallOptions, StatusMessage } from '@emloc/mesh';
import type { ArtifactReference, DatasetSpec, Source } from './artifact.ts';
import type {
  CandidateEvaluation,
  EvaluationResult,
  MemoryPrediction,
  OperationEvent,
  Progress,
  ResourceUsage,
  Timestamp,
} from './operation.ts';
import type {
  CalibrationOptions,
  CompressionOptions,
  CorrectionMethod,
  LoraConfig,
  TrainingOptions,
} from './stages.ts';

export interface FineTuneJobSpec {
  readonly model: Source;
  readonly dataset: DatasetSpec;
  readonly evalDataset?: DatasetSpec;
  readonly compression?: CompressionOptions;
  readonly calibration?: CalibrationOptions;
  readonly lora?: LoraConfig;
  readonly training?: TrainingOptions;
  readonly refineSteps?: number;
  readonly refineLearningRate?: number;
  readonly correctionMethod?: CorrectionMethod;
  readonly maxCorrectionRatio?: number;
  readonly choices?: readonly string[];
  readonly exactMatch?: boolean;
  readonly memoryBudgetBytes?: number;
  readonly adapterInit?: Source;
}

export type JobState =
  | 'JOB_STATE_UNSPECIFIED'
  | 'JOB_STATE_QUEUED'
  | 'JOB_STATE_RUNNING'
  | 'JOB_STATE_PAUSED'
  | 'JOB_STATE_SUCCEEDED'
  | 'JOB_STATE_FAILED'
  | 'JOB_STATE_CANCELLED'
  | 'JOB_STATE_SKIPPED';

export interface JobStage {
  readonly name: string;
  readonly state: JobState;
  readonly service: string;
  readonly operationId: string;
  readonly startTime: Timestamp | null;
  readonly endTime: Timestamp | null;
  readonly progress: Progress | null;
  readonly prediction: MemoryPrediction | null;
  readonly usage: ResourceUsage | null;
  readonly note: string;
}

export interface FineTuneJobResult {
  readonly adapter: ArtifactReference;
  readonly adapterUncorrected: ArtifactReference;
  readonly report: ArtifactReference;
  readonly chosen: string;
  readonly candidates: readonly CandidateEvaluation[];
  readonly evaluation: EvaluationResult | null;
  readonly log: ArtifactReference | null;
}

export interface FineTuneJob {
  readonly id: string;
  readonly createTime: Timestamp | null;
  readonly spec: FineTuneJobSpec;
  readonly status: {
    readonly state: JobState;
    readonly stages: readonly JobStage[];
    readonly cursor: number;
    readonly remainingSeconds?: number;
    readonly updateTime: Timestamp | null;
    readonly endTime: Timestamp | null;
    readonly result: FineTuneJobResult | null;
    readonly error: StatusMessage | null;
  };
}

export interface FineTuneJobEvent {
  readonly cursor: number;
  readonly time: Timestamp | null;
  readonly event?: string;
  readonly stateChanged?: {
    readonly state: JobState;
    readonly result: FineTuneJobResult | null;
    readonly error: StatusMessage | null;
  } | null;
  readonly stageChanged?: JobStage | null;
  readonly stageEvent?: { readonly stage: string; readonly event: OperationEvent } | null;
}

interface ById {
  readonly id: string;
}
interface OneJob {
  readonly job: FineTuneJob;
}

export interface FineTuneJobClient {
  createFineTuneJob(
    request: ById & { readonly spec: FineTuneJobSpec },
    options?: CallOptions,
  ): Promise<OneJob>;
  getFineTuneJob(request: ById, options?: CallOptions): Promise<OneJob>;
  listFineTuneJobs(
    request: { readonly pageSize?: number; readonly pageToken?: string; readonly state?: JobState },
    options?: CallOptions,
  ): Promise<{ readonly jobs: readonly FineTuneJob[]; readonly nextPageToken: string }>;
  watchFineTuneJob(
    request: ById & { readonly afterCursor: number },
    options?: CallOptions,
  ): AsyncIterable<{ readonly event: FineTuneJobEvent }>;
  pauseFineTuneJob(request: ById, options?: CallOptions): Promise<OneJob>;
  cancelFineTuneJob(request: ById, options?: CallOptions): Promise<OneJob>;
  resumeFineTuneJob(request: ById, options?: CallOptions): Promise<OneJob>;
  deleteFineTuneJob(request: ById, options?: CallOptions): Promise<object>;
}

export interface MeshDescription {
  readonly version: string;
  readonly addresses: Readonly<Record<string, string>>;
  readonly modelRoots: readonly string[];
  readonly storeUri: string;
}

export interface MeshClient {
  describeMesh(request: object, options?: CallOptions): Promise<MeshDescription>;
}
