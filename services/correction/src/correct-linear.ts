/** One linear's factors corrected for a client that has only tensors: messages of emloc.correction.v1 in and out. */
import { applyCorrection, correctionParts, defaultCorrectionLimit, type EmulatedWeight } from '@emloc/emloc';
import { cast, startEngine, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { messageCodec } from '@emloc/mesh/contracts';
import type { WorkerContext } from '@emloc/operations';
import { assertFinite, assertShape, framesOf, TensorCollector } from '@emloc/service-kit/worker';
import type { TensorFrame } from '@emloc/tensor-stream';

interface Options {
  readonly scale?: number;
  readonly maxCorrectionRatio?: number;
}

interface CorrectMessage {
  readonly options?: Options;
  readonly frame?: TensorFrame;
}

const tensorNames = ['lora_A', 'lora_B', 'weight', 'emulated_weight', 'u', 'v'];

export async function correctOneLinear(_: unknown, context: WorkerContext): Promise<object> {
  const requests = messageCodec('emloc.correction.v1.CorrectRequest');
  const responses = messageCodec('emloc.correction.v1.CorrectResponse');
  const send = (message: object): Promise<void> => context.output.write(responses.encode(message));
  await startEngine();
  using tensors = new TensorCollector(tensorNames);
  let options: Options | undefined;
  for await (const bytes of context.input) {
    const message = requests.decode<CorrectMessage>(bytes);
    options ??= message.options;
    if (message.frame) tensors.push(message.frame);
  }
  const { scale, limit } = readOptions(options);
  const [a, b, weight] = ['lora_A', 'lora_B', 'weight'].map((name) => tensors.required(name)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const emulated = emulatedWeight(tensors);
  checkShapes(a, b, weight, emulated);
  for (const name of tensorNames) {
    const given = tensors.get(name);
    if (given !== undefined) assertFinite(name, given);
  }
  using parts = correctionParts({ a, b }, weight, emulated, scale);
  const corrected = applyCorrection(parts, limit);
  using correctedA = corrected.a;
  using correctedB = corrected.b;
  await send({ summary: { clampRatios: Array.from(corrected.ratios), clampedRows: corrected.clamped } });
  for (const [name, each] of [
    ['lora_A', correctedA],
    ['lora_B', correctedB],
  ] as const) {
    using single = cast(each, 'f32');
    for (const frame of framesOf(name, single)) await send({ frame });
  }
  return {};
}

function readOptions({ scale = 1, maxCorrectionRatio = defaultCorrectionLimit }: Options = {}): {
  readonly scale: number;
  readonly limit: number;
} {
  if (!Number.isFinite(scale) || scale === 0) throw badOption('scale', scale, 'give lora_alpha / r');
  if (!(maxCorrectionRatio >= 0))
    throw badOption('max_correction_ratio', maxCorrectionRatio, 'give 0 or more');
  return { scale, limit: maxCorrectionRatio };
}

const badOption = (name: string, value: number, mend: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_FIELD', `options.${name} is ${value}`, {
    field: `options.${name}`,
    value: String(value),
    mend,
  });

function emulatedWeight(tensors: TensorCollector): Exclude<EmulatedWeight, 'full'> {
  const whole = tensors.get('emulated_weight');
  if (whole !== undefined) return { weight: whole };
  return { u: tensors.required('u'), v: tensors.required('v') };
}

function checkShapes(a: Tensor, b: Tensor, weight: Tensor, emulated: Exclude<EmulatedWeight, 'full'>): void {
  assertShape('weight', weight, [-1, -1]);
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  assertShape('lora_A', a, [-1, inFeatures]);
  assertShape('lora_B', b, [outFeatures, a.shape[0] ?? 0]);
  if ('weight' in emulated) return assertShape('emulated_weight', emulated.weight, [outFeatures, inFeatures]);
  assertShape('u', emulated.u, [outFeatures, -1]);
  assertShape('v', emulated.v, [emulated.u.shape[1] ?? 0, inFeatures]);
}
