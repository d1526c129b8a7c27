/** Tensor handles of TensorFlow: made from bytes, looked at, read back, let go. */
import { EmlocError } from '@emloc/errors';
import { native, type Native } from './context.ts';
import { dtypeName, TF_DTYPE } from './dtypes.ts';
import { libc, type Address } from './libc.ts';
import { failure } from './status.ts';

/** Writes dimensions where the C API reads them. */
export function writeDims(n: Native, shape: readonly number[]): void {
  for (let i = 0; i < shape.length; i++) n.cells[i] = BigInt(shape[i]!);
}

/** A handle that holds a copy of the bytes, on the device that computes. */
export const createHandle = (tfType: number, shape: readonly number[], bytes: ArrayBufferView): Address =>
  fillHandle(tfType, shape, bytes.byteLength, (at) => libc.copyIn(at, bytes, bytes.byteLength));

/** A handle over memory of its own, which `fill` writes whole; where that throws, nothing is left. */
export function fillHandle(
  tfType: number,
  shape: readonly number[],
  bytes: number,
  fill: (at: Address) => void,
): Address {
  const n = native();
  writeDims(n, shape);
  const tensor = n.lib.allocateTensor(tfType, n.cellsAt, shape.length, bytes);
  if (tensor === 0) throw outOfMemory(tfType, shape);
  try {
    if (bytes > 0) fill(n.lib.tensorData(tensor));
  } catch (thrown) {
    n.lib.deleteTensor(tensor);
    throw thrown;
  }
  return adoptTensor(tensor, tfType);
}

/** A handle over memory that somebody else owns and that outlives it. Not copied if 64-byte aligned and on the CPU. */
export function borrowHandle(
  tfType: number,
  shape: readonly number[],
  at: Address,
  bytes: number,
  deallocator: Address,
): Address {
  const n = native();
  writeDims(n, shape);
  const tensor = n.lib.newTensor(tfType, n.cellsAt, shape.length, at, bytes, deallocator, 0);
  if (tensor === 0) throw outOfMemory(tfType, shape);
  return adoptTensor(tensor, tfType);
}

/** Turns a TF_Tensor into a handle and lets go of it; on a GPU the elements move there, small integers aside. */
export function adoptTensor(tensor: Address, tfType: number): Address {
  const n = native();
  const handle = n.lib.newHandle(tensor, n.status);
  n.lib.deleteTensor(tensor);
  if (n.lib.statusCode(n.status) !== 0) throw failure(n, 'a new tensor');
  // Ops take 32-bit integers (shapes, axes) from the host's memory, and strings live nowhere else.
  if (n.gpuName === undefined || tfType === TF_DTYPE.i32 || dtypeName(tfType).startsWith('dtype'))
    return handle;
  const onDevice = n.lib.copyToDevice(handle, n.context, n.gpuName, n.status);
  n.lib.deleteHandle(handle);
  if (n.lib.statusCode(n.status) !== 0) throw failure(n, 'a copy to the GPU');
  return onDevice;
}

export function deleteHandle(handle: Address): void {
  native().lib.deleteHandle(handle);
}

/** Another handle of the same memory, with an owner of its own. */
export function shareHandle(handle: Address): Address {
  const n = native();
  const shared = n.lib.shareHandle(handle, n.status);
  if (n.lib.statusCode(n.status) !== 0) throw failure(n, 'a shared tensor');
  return shared;
}

export const handleType = (handle: Address): number => native().lib.handleType(handle);

export function handleShape(handle: Address): number[] {
  const n = native();
  const rank = n.lib.handleRank(handle, n.status);
  if (n.lib.statusCode(n.status) !== 0) throw failure(n, 'the rank of a tensor');
  const shape = new Array<number>(rank);
  for (let i = 0; i < rank; i++) shape[i] = n.lib.handleDim(handle, i, n.status);
  return shape;
}

export function handleElements(handle: Address): number {
  const n = native();
  return n.lib.handleElements(handle, n.status);
}

/** Calls back with the address and length of the elements, which are valid only inside. */
export function withData<T>(handle: Address, use: (at: Address, bytes: number) => T): T {
  const n = native();
  const tensor = n.lib.resolveHandle(handle, n.status);
  if (n.lib.statusCode(n.status) !== 0) throw failure(n, 'reading a tensor');
  try {
    return use(n.lib.tensorData(tensor), n.lib.tensorBytes(tensor));
  } finally {
    n.lib.deleteTensor(tensor);
  }
}

/** The elements, copied out. */
export function readHandle(handle: Address): Uint8Array<ArrayBuffer> {
  return withData(handle, (at, byteLength) => {
    const bytes = new Uint8Array(new ArrayBuffer(byteLength));
    if (byteLength > 0) libc.copyOut(bytes, at, byteLength);
    return bytes;
  });
}

function outOfMemory(tfType: number, shape: readonly number[]): EmlocError {
  return new EmlocError(
    'RESOURCE_EXHAUSTED',
    'OUT_OF_MEMORY',
    `no memory for a tensor ${dtypeName(tfType)}[${shape.join(',')}]`,
    { mend: 'use a smaller batch, shorter sequences or a smaller ratio' },
  );
}
