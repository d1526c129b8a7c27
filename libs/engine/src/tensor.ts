/**
 * The engine's tensor: a TensorFlow handle of any element type, half precision and float64 included, which tfjs does
 * not know. Immutable; owned by the scope it is made in (tidy.ts) or by its maker. Shape and element type are asked of
 * TensorFlow when first read, so results that are only passed on cost nothing.
 */
import { EmlocError } from '@emloc/errors';
import { dtypeBytes, elementCount, type DType } from '@emloc/tensor-stream';
import { native } from './binding/context.ts';
import { dtypeName, dtypeOf } from './binding/dtypes.ts';
import { deleteHandle, handleElements, handleShape, handleType } from './binding/handles.ts';
import type { Address } from './binding/libc.ts';
import { own, type Owned } from './tidy.ts';

const debug = process.env.EMLOC_DEBUG !== undefined && process.env.EMLOC_DEBUG !== '';

/** Handles that live, with where each was made when EMLOC_DEBUG is set. */
const live = new Map<Address, string | undefined>();

const forgotten = debug
  ? new FinalizationRegistry<Address>((handle) => {
      if (live.has(handle))
        console.warn(`a tensor was dropped but not disposed; it was made at\n${live.get(handle)}`);
    })
  : undefined;

export class Tensor implements Owned, Disposable {
  #handle: Address;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;
  /** Called once, when this tensor ends. */
  readonly #onDispose: (() => void) | undefined;
  escaping = 0;
  kept = false;

  /** For the engine only: takes the handle over. `shape` where it is known already. */
  constructor(handle: Address, onDispose?: () => void, shape?: readonly number[]) {
    this.#handle = handle;
    this.#shape = shape;
    this.#onDispose = onDispose;
    live.set(handle, debug ? new Error().stack : undefined);
    forgotten?.register(this, handle, this);
    own(this);
  }

  /** For the engine only: the native handle, still owned by this tensor. */
  get handle(): Address {
    if (this.#handle === 0) {
      throw new EmlocError(
        'FAILED_PRECONDITION',
        'TENSOR_DISPOSED',
        'a tensor is used after it was disposed',
        {
          mend: 'keep(t) it, or return it from its tidy',
        },
      );
    }
    return this.#handle;
  }

  get shape(): readonly number[] {
    return (this.#shape ??= handleShape(this.handle));
  }

  get dtype(): DType {
    if (this.#dtype === undefined) {
      const tfType = handleType(this.handle);
      this.#dtype = dtypeOf(tfType);
      if (this.#dtype === undefined) {
        throw new EmlocError('INTERNAL', 'ENGINE_DTYPE', `no element type of ours: ${dtypeName(tfType)}`);
      }
    }
    return this.#dtype;
  }

  get rank(): number {
    return this.shape.length;
  }

  /** How many elements. */
  get size(): number {
    return elementCount(this.shape);
  }

  get byteLength(): number {
    return this.size * dtypeBytes[this.dtype];
  }

  get disposed(): boolean {
    return this.#handle === 0;
  }

  dispose(): void {
    const handle = this.#handle;
    if (handle === 0) return;
    this.#handle = 0;
    live.delete(handle);
    forgotten?.unregister(this);
    deleteHandle(handle);
    this.#onDispose?.();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    return this.disposed ? 'Tensor(disposed)' : `${this.dtype}[${this.shape.join(',')}]`;
  }
}

/** How many tensors live, and the bytes that they stand for (a reshaped tensor shares them, and counts again). */
export function liveTensors(): { count: number; bytes: number } {
  let bytes = 0;
  if (live.size > 0) native();
  for (const handle of live.keys()) {
    const dtype = dtypeOf(handleType(handle));
    bytes += handleElements(handle) * (dtype === undefined ? 0 : dtypeBytes[dtype]);
  }
  return { count: live.size, bytes };
}
