/**
 * One tensor from the GGUF file into the safetensors file: read some rows, make float32 of the blocks, put the rows in
 * order, round to the type that is stored. Memory is bounded by `chunkElements`, whatever the size of the tensor.
 */
import { readSync } from 'node:fs';
import { EmlocError } from '@emloc/errors';
import { float32ToBf16, float32ToF16, type SafetensorsWriter } from '@emloc/tensor-stream';
import type { TensorTarget } from './architectures/index.ts';
import { damaged } from './errors.ts';
import type { GgufTensor } from './read-gguf.ts';

export type StoredDType = 'f32' | 'f16' | 'bf16';

const chunkElements = 4 * 1024 * 1024;

export interface Conversion {
  readonly fd: number;
  readonly fileName: string;
  readonly dtype: StoredDType;
  readonly writer: SafetensorsWriter;
}

/** Yields the bytes of the GGUF file that were taken, chunk by chunk, so that the caller may look up in between. */
export function* convertTensor(tensor: GgufTensor, target: TensorTarget, to: Conversion): Generator<number> {
  const rowElements = target.shape.length > 1 ? target.shape.slice(1).reduce((n, d) => n * d, 1) : 1;
  const rows = target.shape[0] ?? 1;
  const { blockElements, blockBytes } = tensor.type;
  // A vector's "rows" are its elements; blocks do not end on them, but vectors are small: take them whole.
  const groupRows = target.shape.length > 1 ? (target.groupRows ?? 1) : rows;
  const groupsAtOnce = Math.max(1, Math.floor(chunkElements / (groupRows * rowElements)));
  const bytesOf = (elements: number): number => (elements / blockElements) * blockBytes;
  let written = 0;
  for (let row = 0; row < rows; row += groupsAtOnce * groupRows) {
    const count = Math.min(groupsAtOnce * groupRows, rows - row);
    const bytes = new Uint8Array(bytesOf(count * rowElements));
    readWhole(to, tensor, bytes, tensor.begin + bytesOf(row * rowElements));
    const values = tensor.type.dequantize(bytes);
    checkFinite(values, tensor, to);
    const stored = round(reorder(added(values, target.add), rowElements, target), tensor, to);
    to.writer.write(target.name, stored, written);
    written += stored.byteLength;
    yield bytes.length;
  }
}

const added = (values: Float32Array, add: number | undefined): Float32Array =>
  add === undefined ? values : values.map((x) => x + add);

function reorder(
  values: Float32Array,
  rowElements: number,
  { rowOf, groupRows, shape }: TensorTarget,
): Float32Array {
  if (!rowOf || !groupRows) return values;
  const out = new Float32Array(values.length);
  const elements = shape.length > 1 ? rowElements : 1;
  for (let row = 0; row < values.length / elements; row++) {
    const inGroup = row % groupRows;
    const from = (row - inGroup + rowOf(inGroup)) * elements;
    out.set(values.subarray(from, from + elements), row * elements);
  }
  return out;
}

function round(values: Float32Array, tensor: GgufTensor, to: Conversion): Uint8Array {
  if (to.dtype === 'f32') return bytesOfArray(values);
  if (to.dtype === 'bf16') return bytesOfArray(float32ToBf16(values));
  const halves = float32ToF16(values);
  const at = halves.findIndex((bits) => (bits & 0x7c00) === 0x7c00);
  if (at < 0) return bytesOfArray(halves);
  throw new EmlocError(
    'OUT_OF_RANGE',
    'F16_OVERFLOW',
    `${tensor.name} holds ${values[at]}, which f16 cannot`,
    {
      field: tensor.name,
      value: String(values[at]),
      mend: 'choose bf16 or f32',
    },
  );
}

function checkFinite(values: Float32Array, tensor: GgufTensor, to: Conversion): void {
  // Infinite minus infinite, and NaN minus NaN, is NaN; all else is 0. One pass without a branch.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
  if (sum === 0) return;
  const bad = String(values.find((x) => !Number.isFinite(x)));
  throw damaged(to.fileName, `has ${tensor.name} with the number ${bad}`, tensor.name, bad);
}

function readWhole(to: Conversion, tensor: GgufTensor, bytes: Uint8Array, position: number): void {
  let read = 0;
  while (read < bytes.length) {
    const n = readSync(to.fd, bytes, read, bytes.length - read, position + read);
    if (n === 0) throw damaged(to.fileName, `ended while ${tensor.name} was read`, tensor.name);
    read += n;
  }
}

const bytesOfArray = (array: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
