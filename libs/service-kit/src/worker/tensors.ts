/** Tensors between the wire and the engine. */
import {
  all,
  bytesOf,
  isFinite as isFiniteEach,
  tensorFromBytes,
  tidy,
  toNumber,
  type Tensor,
} from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { TensorAssembler, tensorLimits, writeTensor, type TensorFrame } from '@emloc/tensor-stream';

/** The tensors of a call, by name, as they become complete. The collector owns them. */
export class TensorCollector implements Disposable {
  readonly #assembler = new TensorAssembler();
  readonly #tensors = new Map<string, Tensor>();
  readonly #allowed: ReadonlySet<string>;

  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  push(frame: TensorFrame): void {
    const name = frame.header?.name;
    // One that is none, or too long to be told, the assembler refuses.
    const isName = name !== undefined && name !== '' && name.length <= tensorLimits.nameCharacters;
    if (isName && (!this.#allowed.has(name) || this.#tensors.has(name))) {
      throw new EmlocError('INVALID_ARGUMENT', 'TENSOR_UNEXPECTED', `a tensor ${name} is not expected here`, {
        field: 'frame.header.name',
        value: name,
        mend: `send each of ${[...this.#allowed].join(', ')} at most once`,
      });
    }
    const whole = this.#assembler.push(frame);
    if (whole === undefined) return;
    const { info, bytes } = whole;
    this.#tensors.set(info.name, tensorFromBytes(bytes, info.shape, info.dtype));
  }

  get(name: string): Tensor | undefined {
    return this.#tensors.get(name);
  }

  required(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new EmlocError('INVALID_ARGUMENT', 'TENSOR_MISSING', `the tensor ${name} was not sent`, {
      field: name,
      mend: `send it before the end`,
    });
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
  }
}

/** Refuses a tensor of another shape; `expected` may leave an axis open with -1. */
export function assertShape(name: string, tensor: Tensor, expected: readonly number[]): void {
  const { shape } = tensor;
  const fits = shape.length === expected.length && expected.every((n, i) => n === -1 || n === shape[i]);
  if (fits) return;
  const wanted = expected.map((n) => (n === -1 ? 'any' : n)).join(' × ');
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'SHAPE_MISMATCH',
    `${name} is ${shape.join(' × ')}, not ${wanted}`,
    {
      field: name,
      value: `[${shape.join(', ')}]`,
      mend: 'send tensors of one linear that fit each other',
    },
  );
}

/** Refuses NaN and infinity, which decompositions would turn into an error of their own or into nonsense. */
export function assertFinite(name: string, tensor: Tensor): void {
  if (tidy(() => toNumber(all(isFiniteEach(tensor))) === 1)) return;
  throw new EmlocError('INVALID_ARGUMENT', 'NOT_FINITE', `${name} holds NaN or infinity`, {
    field: name,
    mend: 'send finite numbers',
  });
}

export const framesOf = (name: string, tensor: Tensor): Iterable<TensorFrame> =>
  writeTensor({ name, dtype: tensor.dtype, shape: tensor.shape }, bytesOf(tensor));
