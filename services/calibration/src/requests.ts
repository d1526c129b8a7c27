/** emloc.calibration.v1 requests ↔ what the worker is told. */
import {
  defaultSeed,
  readDataset,
  readMemoryBudget,
  type DatasetRequest,
  type Fields,
  type SourceResolver,
} from '@emloc/service-kit';

export interface CalibrationRequest {
  readonly model: string;
  readonly dataset: DatasetRequest;
  readonly samples: number;
  readonly seed: number;
  readonly shard: { readonly index: number; readonly count: number };
  readonly memoryBudgetBytes: number | undefined;
}

const defaultSamples = 64;
const maxShards = 1024;

/** Of a CalibrateRequest or a StartCalibrationRequest, which hold the same. */
export async function readCalibration(request: Fields, sources: SourceResolver): Promise<CalibrationRequest> {
  const model = await sources.resolve(request.required('model'));
  const options = request.required('options');
  const count = options.integer('shardCount', { min: 1, max: maxShards }) ?? 1;
  return {
    model: model.path,
    dataset: await readDataset(options.required('dataset'), sources),
    samples: options.integer('samples', { min: 1, max: 100_000 }) ?? defaultSamples,
    seed: options.integer('seed', { min: 0 }) ?? defaultSeed,
    shard: { index: options.integer('shardIndex', { min: 0, max: count - 1 }) ?? 0, count },
    memoryBudgetBytes: readMemoryBudget(request),
  };
}
