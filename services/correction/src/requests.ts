/** emloc.correction.v1 requests ↔ what the worker is told. */
import {
  precisions,
  readMemoryBudget,
  readOptionalDataset,
  type DatasetRequest,
  type Fields,
  type Precision,
  type SourceResolver,
} from '@emloc/service-kit';

export type CorrectionMethod = 'paper' | 'none' | 'auto';

export interface CorrectionRequest {
  readonly model: string;
  readonly emulator: string;
  readonly adapter: string;
  readonly method: CorrectionMethod;
  readonly maxCorrectionRatio: number;
  /** There where the method is `auto`. */
  readonly heldOut: DatasetRequest | undefined;
  readonly precision: Precision | undefined;
  readonly memoryBudgetBytes: number | undefined;
}

export interface MergeRequest {
  readonly model: string;
  readonly adapter: string;
  readonly memoryBudgetBytes: number | undefined;
}

const methods = {
  CORRECTION_METHOD_PAPER: 'paper',
  CORRECTION_METHOD_NONE: 'none',
  CORRECTION_METHOD_AUTO: 'auto',
} as const;

const defaultMaxCorrectionRatio = 3;

export async function readCorrection(request: Fields, sources: SourceResolver): Promise<CorrectionRequest> {
  const pathOf = async (name: string) => (await sources.resolve(request.required(name))).path;
  const heldOut = await readOptionalDataset(request.message('heldOut'), sources);
  const method = request.choice('method', methods) ?? (heldOut === undefined ? 'paper' : 'auto');
  if (method === 'auto' && heldOut === undefined) request.missing('heldOut');
  return {
    model: await pathOf('model'),
    emulator: await pathOf('emulator'),
    adapter: await pathOf('adapter'),
    method,
    maxCorrectionRatio: request.number('maxCorrectionRatio', { min: 0 }) ?? defaultMaxCorrectionRatio,
    heldOut: method === 'auto' ? heldOut : undefined,
    precision: request.choice('precision', precisions),
    memoryBudgetBytes: readMemoryBudget(request),
  };
}

export async function readMerge(request: Fields, sources: SourceResolver): Promise<MergeRequest> {
  return {
    model: (await sources.resolve(request.required('model'))).path,
    adapter: (await sources.resolve(request.required('adapter'))).path,
    memoryBudgetBytes: readMemoryBudget(request),
  };
}
