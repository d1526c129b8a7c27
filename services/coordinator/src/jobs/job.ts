/** The words of a fine-tuning job inside the coordinator. Specs stay as the contract has them: pruned messages. */
import type {
  CandidateEvaluation,
  EvaluationResult,
  MemoryPrediction,
  Progress,
  ResourceUsage,
  ArtifactReference,
} from '@emloc/service-kit';

export const jobStates = ['QUEUED', 'RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export type JobState = (typeof jobStates)[number];
export type StageState = JobState | 'SKIPPED';
export type Wanted = 'RUN' | 'PAUSE' | 'CANCEL';

export const endedStates: ReadonlySet<JobState> = new Set(['PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED']);

export const stageNames = [
  'plan',
  'compress',
  'train',
  'correct',
  'refine',
  'select',
  'evaluate',
  'report',
] as const;
export type StageName = (typeof stageNames)[number];

/** emloc.coordinator.v1.FineTuneJobSpec without what is absent; plain JSON. */
export type Spec = Readonly<Record<string, unknown>>;

/** An error as it is kept: what `EmlocError` holds, without its cause. */
export interface StoredError {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
  readonly value?: string;
  readonly mend?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Job {
  readonly id: string;
  readonly spec: Spec;
  readonly specDigest: string;
  readonly traceparent: string | undefined;
  readonly createdAt: Date;
  readonly attempt: number;
  readonly wanted: Wanted;
}

export interface Stage {
  readonly name: StageName;
  readonly state: StageState;
  readonly service?: string;
  readonly operationId?: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly prediction?: MemoryPrediction;
  readonly usage?: ResourceUsage;
  readonly progress?: Progress;
  /** Its result was in the store already. */
  readonly fromStore?: boolean;
  readonly note?: string;
}

export interface JobResult {
  readonly adapter: ArtifactReference;
  readonly adapterUncorrected: ArtifactReference;
  readonly report: ArtifactReference;
  readonly chosen: string;
  readonly candidates: readonly CandidateEvaluation[];
  readonly evaluation: EvaluationResult;
  /** JSON lines of every training step, each with its stage. */
  readonly log: ArtifactReference;
}

/** What a job's log holds, one of these an event. */
export type JobEventBody =
  | {
      readonly stateChanged: {
        readonly state: JobState;
        readonly result?: JobResult;
        readonly error?: StoredError;
      };
    }
  | { readonly stageChanged: Stage }
  | { readonly stageEvent: { readonly stage: StageName; readonly event: StoredOperationEvent } };

/** emloc.operation.v1.OperationEvent without what is absent, its error as a StoredError; plain JSON. */
export interface StoredOperationEvent {
  readonly cursor: number;
  readonly prediction?: MemoryPrediction;
  readonly progress?: Progress;
  readonly stateChanged?: {
    readonly state: string;
    readonly error?: StoredError;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

export interface JobEvent {
  readonly cursor: number;
  readonly at: Date;
  readonly body: JobEventBody;
}
