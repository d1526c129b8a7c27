/** Copies of tensors out of a safetensors file. Weights are mapped by the engine instead; this is for all else. */
import { closeSync, openSync, readSync } from 'node:fs';
import { EmlocError } from '@emloc/errors';
import { tensorLimits } from '../limits.ts';
import type { SafetensorsFile, StoredTensor } from './header.ts';

const readBytes = 2 ** 30;

/** A fresh, aligned copy of the tensor's bytes. */
export function readTensorBytes(file: SafetensorsFile, name: string): Uint8Array {
  const tensor = storedTensor(file, name);
  const bytes = new Uint8Array(tensor.end - tensor.begin);
  withOpenFile(file.path, (fd) => readInto(fd, file, tensor, bytes, tensor.begin));
  return bytes;
}

/** The tensor's bytes in order, in pieces of at most 1 MiB, each a fresh copy. The file stays open until the end. */
export function* readTensorChunks(
  file: SafetensorsFile,
  name: string,
  chunkBytes: number = tensorLimits.chunkBytes,
): Generator<Uint8Array> {
  const tensor = storedTensor(file, name);
  const fd = open(file.path);
  try {
    for (let at = tensor.begin; at < tensor.end; at += chunkBytes) {
      const chunk = new Uint8Array(Math.min(chunkBytes, tensor.end - at));
      readInto(fd, file, tensor, chunk, at);
      yield chunk;
    }
  } finally {
    closeSync(fd);
  }
}

function storedTensor(file: SafetensorsFile, name: string): StoredTensor {
  const tensor = file.tensors.get(name);
  if (tensor) return tensor;
  throw new EmlocError('NOT_FOUND', 'TENSOR_NOT_FOUND', `${file.path} holds no tensor ${name}`, {
    field: name,
    value: file.path,
  });
}

function readInto(
  fd: number,
  file: SafetensorsFile,
  tensor: StoredTensor,
  bytes: Uint8Array,
  from: number,
): void {
  let read = 0;
  while (read < bytes.length) {
    const n = readSync(fd, bytes, read, Math.min(readBytes, bytes.length - read), from + read);
    if (n === 0) {
      throw new EmlocError('DATA_LOSS', 'FILE_SHRANK', `${file.path} ended while ${tensor.name} was read`, {
        field: tensor.name,
        value: file.path,
        mend: 'do not change model files while they are used; fetch the file again',
      });
    }
    read += n;
  }
}

function withOpenFile(path: string, use: (fd: number) => void): void {
  const fd = open(path);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw EmlocError.from(error);
  }
}
