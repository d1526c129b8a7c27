/**
 * Are all weights finite numbers? Reads every tensor once, a chunk at a time, and looks at the exponents alone, so it
 * needs no TensorFlow: damaged checkpoints are refused before any work.
 */
import { EmlocError } from '@emloc/errors';
import { readSafetensorsHeader, readTensorChunks, type DType } from '@emloc/tensor-stream';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ModelDirectory } from '../types.ts';

/** Throws naming the first tensor that holds a NaN or an infinity. */
export const checkFinite = async (model: ModelDirectory): Promise<void> => {
  for (const path of model.weightFiles) {
    const file = readSafetensorsHeader(path);
    for (const { name, dtype, shape } of file.tensors.values()) {
      let before = 0;
      for (const chunk of readTensorChunks(file, name)) {
        const at = firstNotFinite(chunk, dtype);
        if (at >= 0) throw notFinite(name, before + at, shape, path);
        before += chunk.length / bytesPerWord(dtype);
      }
      await setImmediate();
    }
  }
};

/** Exponent bits all set: NaN or infinity. By words of two bytes (of four, for f32 and f64). */
const firstNotFinite = (chunk: Uint8Array, dtype: DType): number => {
  switch (dtype) {
    case 'bf16':
      return find16(chunk, 0x7f80);
    case 'f16':
      return find16(chunk, 0x7c00);
    case 'f32':
      return find32(chunk, 0x7f800000, 0, 1);
    case 'f64':
      return find32(chunk, 0x7ff00000, 1, 2); // little-endian: the exponent is in the second word
    default:
      return -1;
  }
};

const bytesPerWord = (dtype: DType): number => (dtype === 'f64' ? 8 : dtype === 'f32' ? 4 : 2);

const find16 = (chunk: Uint8Array, mask: number): number => {
  const words = new Uint16Array(chunk.buffer, chunk.byteOffset, chunk.byteLength / 2);
  for (let i = 0; i < words.length; i++) if ((words[i]! & mask) === mask) return i;
  return -1;
};

const find32 = (chunk: Uint8Array, mask: number, first: number, step: number): number => {
  const words = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.byteLength / 4);
  for (let i = first; i < words.length; i += step) if ((words[i]! & mask) === mask) return (i - first) / step;
  return -1;
};

const notFinite = (name: string, index: number, shape: readonly number[], path: string): EmlocError =>
  new EmlocError(
    'INVALID_ARGUMENT',
    'WEIGHT_NOT_FINITE',
    `${name} [${shape.join(', ')}] in ${basename(path)} holds NaN or infinity at element ${index}`,
    { field: name, value: 'NaN or infinity', mend: 'the checkpoint is damaged: download it again' },
  );
