/**
 * What the processes of operations say and make, as JSON in the operation's directory. The words are those of
 * emloc.operation.v1 (event.proto, result.proto: units and meaning stand there), so that its service only wraps them.
 */

export interface ArtifactReference {
  readonly digest: string;
  readonly uri: string;
  readonly byteSize: number;
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
  readonly keptFullRows?: number;
}

export interface LinearCorrection {
  readonly module: string;
  readonly clampedRows: number;
  readonly rows: number;
  readonly clampRatios: readonly number[];
}

export interface CandidateEvaluation {
  readonly name: string;
  readonly method: 'none' | 'paper' | 'refined';
  readonly maxCorrectionRatio?: number;
  readonly scale?: number;
  readonly loss: number;
  readonly chosen: boolean;
  readonly rows: number;
}

export interface Notice {
  readonly text: string;
  readonly warning: boolean;
}

/** What a worker emits: exactly one of these. */
export type WorkerEvent =
  | { readonly prediction: MemoryPrediction }
  | { readonly progress: Progress }
  | { readonly trainingStep: TrainingStep }
  | { readonly trainingEvaluation: TrainingEvaluation }
  | { readonly linearCompression: LinearCompression }
  | { readonly linearCorrection: LinearCorrection }
  | { readonly candidateEvaluation: CandidateEvaluation }
  | { readonly notice: Notice };

export interface CalibrationResult {
  readonly statistics: ArtifactReference;
  readonly samples: number;
  readonly tokens: number;
}

export interface CompressionResult {
  readonly emulator: ArtifactReference;
  readonly linears: readonly LinearCompression[];
  readonly parameterRatio: number;
  readonly calibrationPrediction?: MemoryPrediction;
  readonly calibrationUsage?: ResourceUsage;
}

export interface TrainingResult {
  readonly adapter: ArtifactReference;
  /** Not there where an earlier, better adapter than the last was kept. */
  readonly optimizer?: ArtifactReference;
  readonly log: ArtifactReference;
  readonly steps: number;
  readonly finalLoss: number;
  readonly bestEvaluationLoss?: number;
  readonly tokens: number;
  readonly stoppedEarly: boolean;
}

export interface CorrectionResult {
  readonly adapter: ArtifactReference;
  readonly chosen: string;
  readonly candidates: readonly CandidateEvaluation[];
  readonly linears: readonly LinearCorrection[];
  readonly changed: boolean;
}

export interface MergeResult {
  readonly model: ArtifactReference;
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

/** The result of one kind of operation, under the name that the contract's `oneof result` gives it. */
export interface StageResults {
  readonly calibration: CalibrationResult;
  readonly compression: CompressionResult;
  readonly training: TrainingResult;
  readonly correction: CorrectionResult;
  readonly merge: MergeResult;
  readonly evaluation: EvaluationResult;
}

/** What a worker returns and `result.json` holds. */
export type OperationResult = {
  readonly prediction?: MemoryPrediction;
  readonly usage?: ResourceUsage;
  readonly fromStore: boolean;
} & Partial<StageResults>;
