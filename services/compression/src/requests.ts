/** emloc.compression.v1 requests ↔ what the worker is told. */
import { EmlocError } from '@emloc/errors';
import {
  Fields,
  readDataset,
  readMemoryBudget,
  type DatasetRequest,
  type NumberRule,
  type SourceResolver,
} from '@emloc/service-kit';

export type CompressionMethod = 'activation-svd' | 'svd';

export type RatioSpec =
  { readonly ratio: number } | { readonly ratios: readonly (readonly [pattern: string, ratio: number])[] };

export type StatisticsRequest =
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'stream';
      /** A shard each; empty: the calibration service of this mesh, wherever it is when its Grams are pulled. */
      readonly addresses: readonly string[];
      /** emloc.calibration.v1.CalibrateRequest as the caller gave its parts, without shard fields. */
      readonly message: { readonly model: object; readonly options: object };
      /** The same, resolved: what the result is keyed by. */
      readonly dataset: DatasetRequest;
      readonly samples: number | undefined;
      readonly seed: number | undefined;
    };

export interface CompressionRequest {
  readonly model: string;
  readonly ratios: RatioSpec;
  readonly method: CompressionMethod;
  readonly statistics: StatisticsRequest;
  readonly memoryBudgetBytes: number | undefined;
}

export const methods = {
  COMPRESSION_METHOD_ACTIVATION_SVD: 'activation-svd',
  COMPRESSION_METHOD_SVD: 'svd',
} as const;

const ratioRule: NumberRule = { min: 0, above: true, max: 1 };
const maxRatios = 1000;
const maxShards = 64;

/** As far as they are needed here; the rest passes through. */
interface StartCompressionMessage {
  readonly model: object;
  readonly statistics?: { readonly calibration?: { readonly options: object } | null } | null;
}

export async function readCompression(
  message: StartCompressionMessage,
  sources: SourceResolver,
): Promise<CompressionRequest> {
  const request = new Fields(message);
  const model = await sources.resolve(request.required('model'));
  const options = request.required('options');
  const method = options.choice('method', methods) ?? 'activation-svd';
  return {
    model: model.path,
    ratios: readRatios(options),
    method,
    statistics: method === 'svd' ? { kind: 'none' } : await readStatistics(message, request, sources),
    memoryBudgetBytes: readMemoryBudget(request),
  };
}

function readRatios(options: Fields): RatioSpec {
  const ratio = options.number('ratio', ratioRule);
  const ratios = options.messages('ratios', maxRatios).map((each) => {
    const pattern = each.requiredText('pattern', 1000);
    return [pattern, each.number('ratio', ratioRule) ?? each.missing('ratio')] as const;
  });
  if (ratio !== undefined && ratios.length === 0) return { ratio };
  if (ratio === undefined && ratios.length > 0) return { ratios };
  const both = ratio !== undefined;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    both ? 'BAD_FIELD' : 'FIELD_MISSING',
    both ? 'ratio and ratios exclude each other' : 'neither ratio nor ratios is set',
    { field: options.pathOf(both ? 'ratios' : 'ratio'), mend: 'give exactly one of the two' },
  );
}

async function readStatistics(
  message: StartCompressionMessage,
  request: Fields,
  sources: SourceResolver,
): Promise<StatisticsRequest> {
  const statistics = request.required('statistics');
  const source = statistics.message('source');
  if (source !== undefined) return { kind: 'file', path: (await sources.resolve(source)).path };
  const calibration = statistics.required('calibration');
  const options = calibration.required('options');
  for (const name of ['shardIndex', 'shardCount']) options.forbid(name, 'the number of addresses decides');
  const parts = { model: message.model, options: message.statistics?.calibration?.options ?? {} };
  return {
    kind: 'stream',
    addresses: readAddresses(calibration),
    message: parts,
    dataset: await readDataset(options.required('dataset'), sources),
    samples: options.integer('samples', { min: 1, max: 100_000 }),
    seed: options.integer('seed', { min: 0 }),
  };
}

/** A service works on one shard at a time: two shards at one address would wait for each other for ever. */
function readAddresses(calibration: Fields): string[] {
  const addresses = calibration.texts('addresses', maxShards);
  if (new Set(addresses).size === addresses.length) return addresses;
  throw calibration.wrong('addresses', 'names a service twice', 'give each service once');
}
