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

/** Exponent bits all set: NaN or infinity. */
const firstNotFinite = (chunk: Uint8Array, dtype: DType): number => {
  switch (dtype) {
    case 'bf16':
      return suspicious(chunk, 0x7f807f80, 0x00800080, 0x80008000, 1) ? find16(chunk, 0x7f80) : -1;
    case 'f16':
      return suspicious(chunk, 0x7c007c00, 0x04000400, 0x80008000, 1) ? find16(chunk, 0x7c00) : -1;
    case 'f32':
      return suspicious(chunk, 0x7f800000, 0x00800000, 0x80000000, 1) ? find32(chunk, 0x7f800000, 1) : -1;
    case 'f64':
      return suspicious(chunk, 0x7ff00000, 0x00100000, 0x80000000, 2) ? find32(chunk, 0x7ff00000, 2) : -1;
    default:
      return -1;
  }
};

/**
 * Word by word without a branch: an exponent of ones alone, plus one in its lowest place, carries into the sign's
 * place. Of f64 only every second word has an exponent (the files are little-endian).
 */
const suspicious = (chunk: Uint8Array, mask: number, one: number, sign: number, step: 1 | 2): boolean => {
  const words = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.byteLength >>> 2);
  let seen = 0;
  for (let i = step - 1; i < words.length; i += step) seen |= ((words[i]! & mask) + one) | 0;
  return (seen & sign) !== 0 || chunk.byteLength % 4 !== 0; // a last half word is looked at by itself
};

const bytesPerWord = (dtype: DType): number => (dtype === 'f64' ? 8 : dtype === 'f32' ? 4 : 2);

const find16 = (chunk: Uint8Array, mask: number): number => {
  const words = new Uint16Array(chunk.buffer, chunk.byteOffset, chunk.byteLength / 2);
  for (let i = 0; i < words.length; i++) if ((words[i]! & mask) === mask) return i;
  return -1;
};

const find32 = (chunk: Uint8Array, mask: number, step: 1 | 2): number => {
  const words = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.byteLength / 4);
  for (let i = step - 1; i < words.length; i += step) if ((words[i]! & mask) === mask) return (i / step) | 0;
  return -1;
};

const notFinite = (name: string, index: number, shape: readonly number[], path: string): EmlocError =>
  new EmlocError(
    'INVALID_ARGUMENT',
    'WEIGHT_NOT_FINITE',
    `${name} [${shape.join(', ')}] in ${basename(path)} holds NaN or infinity at element ${index}`,
    { field: name, value: 'NaN or infinity', mend: 'the checkpoint is damaged: download it again' },
  );
