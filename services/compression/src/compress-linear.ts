/** One weight compressed for a client that has only tensors: messages of emloc.compression.v1 in and out. */
import { compressLinear, rankOf, type CompressedWeights } from '@emloc/emloc';
import { startEngine, tensor, type DType, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { messageCodec } from '@emloc/mesh/contracts';
import type { WorkerContext } from '@emloc/operations';
import { assertFinite, assertShape, framesOf, TensorCollector } from '@emloc/service-kit/worker';
import type { TensorFrame } from '@emloc/tensor-stream';

interface Options {
  readonly rank?: number;
  readonly ratio?: number;
  readonly method: string;
}

interface CompressMessage {
  readonly options?: Options;
  readonly frame?: TensorFrame;
}

export async function compressOneLinear(_: unknown, context: WorkerContext): Promise<object> {
  const requests = messageCodec('emloc.compression.v1.CompressRequest');
  const responses = messageCodec('emloc.compression.v1.CompressResponse');
  const send = (message: object): Promise<void> => context.output.write(responses.encode(message));
  await startEngine();
  using tensors = new TensorCollector(['weight', 'gram']);
  let options: Options | undefined;
  for await (const bytes of context.input) {
    const message = requests.decode<CompressMessage>(bytes);
    options ??= message.options;
    if (message.frame) tensors.push(message.frame);
  }
  const weight = tensors.required('weight');
  assertShape('weight', weight, [-1, -1]);
  const isPlain = options?.method === 'COMPRESSION_METHOD_SVD';
  const gram = isPlain ? undefined : tensors.required('gram');
  assertFinite('weight', weight);
  if (gram !== undefined) assertFinite('gram', gram);
  const result = factorize(weight, gram, rankFor(options, weight));
  using u = result.u;
  using v = result.v;
  using sigma = tensor(result.sigma, [result.sigma.length], 'f64');
  const { truncationLoss, relativeTruncationLoss } = result;
  await send({ summary: { rank: u.shape[1], truncationLoss, relativeTruncationLoss } });
  for (const [name, each] of Object.entries({ u, v, sigma })) {
    for (const frame of framesOf(name, each)) await send({ frame });
  }
  return {};
}

/** A Gram that serves nothing is `statistics` to a whole model; here it is the tensor. */
function factorize(weight: Tensor, gram: Tensor | undefined, rank: number): CompressedWeights {
  try {
    return compressLinear(weight, gram, rank, factorType(weight));
  } catch (error) {
    if (!(error instanceof EmlocError) || error.field !== 'statistics') throw error;
    throw error.with({ field: 'gram', mend: 'send G = Σ x xᵀ of the inputs of this linear' });
  }
}

function rankFor(options: Options | undefined, weight: Tensor): number {
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  const { rank, ratio } = options ?? {};
  if ((rank === undefined) === (ratio === undefined)) {
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_FIELD', 'exactly one of rank and ratio must be set', {
      field: 'options.rank',
      mend: 'give a rank, or a ratio in (0, 1)',
    });
  }
  if (rank !== undefined) return rank;
  if (ratio === undefined || !(ratio > 0 && ratio < 1)) {
    throw new EmlocError('INVALID_ARGUMENT', 'RATIO_OUT_OF_RANGE', `${String(ratio)} is not in (0, 1)`, {
      field: 'options.ratio',
      value: String(ratio),
      mend: 'choose a ratio such as 0.5',
    });
  }
  return rankOf(outFeatures, inFeatures, ratio);
}

/** The weight's own, but nothing whose range is smaller than f32's. */
const factorType = ({ dtype }: Tensor): DType => (dtype === 'f16' ? 'f32' : dtype);
