/** How a reason of docs/reference/errors.md is provoked over gRPC: what the clients in other languages read as JSON. */
import type { ErrorCode } from '@emloc/errors';
import type { ServiceName } from '@emloc/mesh';

/** One call. What it answers with is of no interest, but for `until`. */
export interface Call {
  /** Whose address is called. */
  readonly service: ServiceName;
  /** `package.Service/Method`, which need not be one of that service. */
  readonly rpc: string;
  /** Protobuf JSON; more than one where the client streams. */
  readonly requests: readonly object[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutSeconds?: number;
  /** In place of the service's own. */
  readonly address?: string;
  /** Made again until its answer (as JSON, names as in the contract) has this value there. */
  readonly until?: { readonly path: readonly string[]; readonly value: string };
}

/** Long work that is waited for by the client's own means: it ends with the error. */
export interface Wait {
  readonly service: ServiceName;
  /** Of a job at the coordinator, of an operation anywhere else. */
  readonly id: string;
}

export interface Case {
  readonly reason: string;
  /** Where a reason has several cases. */
  readonly about?: string;
  readonly code: ErrorCode;
  /** The error's field, whole; null: it has none. */
  readonly field: string | null;
  /** The error's value, whole; not given: any. */
  readonly value?: string;
  /** Calls that succeed. */
  readonly before?: readonly Call[];
  /** The call that fails, or, with `wait`, that begins what fails. */
  readonly call?: Call;
  readonly wait?: Wait;
  /** Calls that clean up. */
  readonly after?: readonly Call[];
  /** It needs a service for itself: after all others, by itself. */
  readonly alone?: boolean;
  /** Why it cannot be provoked on this machine. */
  readonly skip?: string;
}

export const training = 'emloc.training.v1.TrainingService';
export const compression = 'emloc.compression.v1.CompressionService';
export const calibration = 'emloc.calibration.v1.CalibrationService';
export const correction = 'emloc.correction.v1.CorrectionService';
export const inference = 'emloc.inference.v1.InferenceService';
export const operations = 'emloc.operation.v1.OperationService';
export const jobs = 'emloc.coordinator.v1.FineTuneJobService';
export const artifacts = 'emloc.artifact.v1.ArtifactService';

const serviceOf = (rpc: string): ServiceName =>
  (/^emloc\.(training|compression|calibration|correction|inference)\./.exec(rpc)?.[1] ??
    'coordinator') as ServiceName;

/** A call of a service's own method. */
export const call = (rpc: string, ...requests: readonly object[]): Call => ({
  service: serviceOf(rpc),
  rpc,
  requests,
});

/** An operation that is started, and fails; its id is in the request. */
export const started = (
  rpc: string,
  request: { readonly operationId: string },
): Pick<Case, 'call' | 'wait'> => ({
  call: call(rpc, request),
  wait: { service: serviceOf(rpc), id: request.operationId },
});

/** A call about an operation of a stage service. */
export const onOperation = (
  method: string,
  id: string,
  service: ServiceName = 'training',
  more: object = {},
): Call => ({
  service,
  rpc: `${operations}/${method}Operation`,
  requests: [{ id, ...more }],
});
