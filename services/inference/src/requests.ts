/** emloc.inference.v1 requests ↔ what the worker is told. */
import { EmlocError } from '@emloc/errors';
import {
  precisions,
  readDataset,
  readMemoryBudget,
  readOptionalSource,
  readWeights,
  weightLoadings,
  type DatasetRequest,
  type Fields,
  type Precision,
  type SourceResolver,
  type WeightLoading,
} from '@emloc/service-kit';

/** What is computed with, and how. */
export interface WeightsOptions {
  readonly weights: { readonly path: string; readonly kind: 'model' | 'emulator' };
  readonly precision: Precision | undefined;
  readonly weightLoading: WeightLoading;
}

/** What is evaluated or scored. */
export interface WeightsRequest extends WeightsOptions {
  readonly adapter: string | undefined;
}

export interface EvaluationRequest extends WeightsRequest {
  readonly dataset: DatasetRequest;
  /** Texts, or token ids where the rows are pre-tokenized. */
  readonly choices: readonly string[] | readonly (readonly number[])[];
  readonly exactMatch: boolean;
  readonly memoryBudgetBytes: number | undefined;
}

export interface ScoreRequest extends WeightsRequest {
  /** Exactly one of the two has entries. */
  readonly rows: readonly (readonly number[])[];
  readonly texts: readonly string[];
}

const maxRows = 1024;
const maxChoices = 1000;
/** Far beyond the limit of any model; that is checked when the model is known. */
export const maxIds = 1_000_000;

export async function readEvaluation(request: Fields, sources: SourceResolver): Promise<EvaluationRequest> {
  const texts = request.texts('choices', maxChoices);
  const ids = request.messages('choiceIds', maxChoices).map((row) => row.integers('ids', maxIds));
  if (texts.length > 0 && ids.length > 0) throw twoOf(request, 'choiceIds', 'choices');
  const choices = texts.length > 0 ? texts : ids;
  if (choices.length === 1) {
    throw request.wrong(
      texts.length > 0 ? 'choices' : 'choiceIds',
      'has one entry',
      'give at least two, or none',
    );
  }
  return {
    ...(await readWeightsRequest(request, sources)),
    dataset: await readDataset(request.required('dataset'), sources),
    choices,
    exactMatch: request.boolean('exactMatch') ?? true,
    memoryBudgetBytes: readMemoryBudget(request),
  };
}

export async function readScore(request: Fields, sources: SourceResolver): Promise<ScoreRequest> {
  const rows = request.messages('rows', maxRows).map((row) => row.integers('ids', maxIds));
  const texts = request.texts('texts', maxRows);
  if (rows.length > 0 && texts.length > 0) throw twoOf(request, 'texts', 'rows');
  if (rows.length === 0 && texts.length === 0) request.missing('rows');
  return { ...(await readWeightsRequest(request, sources)), rows, texts };
}

async function readWeightsRequest(request: Fields, sources: SourceResolver): Promise<WeightsRequest> {
  return {
    ...(await readWeightsOptions(request, sources)),
    adapter: await readOptionalSource(request.message('adapter'), sources),
  };
}

export async function readWeightsOptions(request: Fields, sources: SourceResolver): Promise<WeightsOptions> {
  return {
    weights: await readWeights(request, sources),
    precision: request.choice('precision', precisions),
    weightLoading: request.choice('weightLoading', weightLoadings) ?? 'resident',
  };
}

const twoOf = (request: Fields, second: string, first: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_FIELD', `${request.pathOf(second)} stands beside ${first}`, {
    field: request.pathOf(second),
    mend: 'give one of the two',
  });
