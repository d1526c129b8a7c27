/** A model directory's stored tensors, one at a time: read, or copied on without being held in memory. */
import { tensorFromBytes, transpose, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import type { ModelDirectory } from '@emloc/models';
import {
  readSafetensorsHeader,
  readTensorBytes,
  readTensorChunks,
  type SafetensorsFile,
  type SafetensorsWriter,
} from '@emloc/tensor-stream';
import { isFiniteThroughout } from '../matrix.ts';

export class StoredWeights {
  readonly model: ModelDirectory;
  readonly #files = new Map<string, SafetensorsFile>();

  constructor(model: ModelDirectory) {
    this.model = model;
  }

  file(path: string): SafetensorsFile {
    let file = this.#files.get(path);
    if (file === undefined) this.#files.set(path, (file = readSafetensorsHeader(path)));
    return file;
  }

  has(name: string): boolean {
    return this.model.tensors.has(name);
  }

  /** A tensor by its canonical name, in its stored type; the caller's to end. NaN and infinity are refused. */
  read(name: string): Tensor {
    const { file, name: own, shape, dtype } = this.#place(name);
    const t = tensorFromBytes(readTensorBytes(this.file(file), own), shape, dtype);
    if (isFiniteThroughout(t)) return t;
    t.dispose();
    throw new EmlocError('DATA_LOSS', 'NOT_FINITE', `${name} in ${file} holds NaN or infinity`, {
      field: 'model',
      value: name,
      mend: 'fetch the model again',
    });
  }

  /** A linear's weight as `d_out × d_in`, whichever way the file holds it. */
  readLinear(module: string): Tensor {
    const weight = this.read(`${module}.weight`);
    if (!this.model.isTransposed(module)) return weight;
    using stored = weight;
    return transpose(stored);
  }

  /** Copies a tensor's bytes unchanged, a chunk at a time, under the name `as`. */
  copy(name: string, to: SafetensorsWriter, as = name): void {
    let offset = 0;
    const { file, name: own } = this.#place(name);
    for (const chunk of readTensorChunks(this.file(file), own)) {
      to.write(as, chunk, offset);
      offset += chunk.byteLength;
    }
  }

  #place(name: string) {
    const stored = this.model.tensors.get(name);
    if (stored !== undefined) return stored;
    throw new EmlocError('NOT_FOUND', 'TENSOR_NOT_FOUND', `${this.model.dir} holds no tensor ${name}`, {
      field: 'model',
      value: name,
    });
  }
}
