/**
 * Tensors of a model directory as they are stored, mapped from its files when they are first asked for. Where the
 * data is aligned they are the file's own pages, clean page cache that counts as nobody's private memory.
 */
import { keep, MappedFile, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { statSync } from 'node:fs';
import type { ModelDirectory, StoredTensor } from '../types.ts';

export class MappedTensors {
  readonly #model: ModelDirectory;
  readonly #files = new Map<string, MappedFile>();
  readonly #tensors = new Map<string, Tensor>();

  constructor(model: ModelDirectory) {
    this.#model = model;
  }

  has(name: string): boolean {
    return this.#model.tensors.has(name);
  }

  /** Does the file hold this linear's weight as in × out? */
  isTransposed(module: string): boolean {
    return this.#model.isTransposed(module);
  }

  /** As stored; stays this object's. */
  get(name: string): Tensor {
    const found = this.#tensors.get(name);
    if (found !== undefined) return found;
    const stored = this.#stored(name);
    const tensor = keep(this.#file(stored).tensor(stored));
    this.#tensors.set(name, tensor);
    return tensor;
  }

  /** `count` rows of a matrix from `first` on, for the time of `use`; then their pages leave this process's memory. */
  withRows<T>(name: string, first: number, count: number, use: (rows: Tensor) => T): T {
    const stored = this.#stored(name);
    const [rows = 1, ...rest] = stored.shape;
    const rowBytes = (stored.end - stored.begin) / rows;
    const begin = stored.begin + first * rowBytes;
    const end = begin + count * rowBytes;
    const file = this.#file(stored);
    const part = file.tensor({ dtype: stored.dtype, shape: [count, ...rest], begin, end });
    try {
      return use(part);
    } finally {
      part.dispose();
      file.forget(begin, end);
    }
  }

  /** A page beyond the end of a file that shrank would kill the process: look before each use. */
  checkFiles(): void {
    for (const [path, file] of this.#files) checkLength(path, file.bytes);
  }

  /** Disposes the tensors, then unmaps the files. */
  close(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #stored(name: string): StoredTensor {
    const stored = this.#model.tensors.get(name);
    if (stored !== undefined) return stored;
    throw new EmlocError('INTERNAL', 'TENSOR_NOT_FOUND', `${this.#model.dir} holds no tensor ${name}`, {
      field: name,
    });
  }

  #file({ file, end }: StoredTensor): MappedFile {
    let mapped = this.#files.get(file);
    if (mapped === undefined) {
      checkLength(file, end);
      mapped = new MappedFile(file);
      this.#files.set(file, mapped);
    }
    return mapped;
  }
}

const checkLength = (path: string, expected: number): void => {
  const found = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (found >= expected) return;
  throw new EmlocError('DATA_LOSS', 'FILE_SHRANK', `${path} has ${found} bytes, but ${expected} are in use`, {
    field: 'model',
    value: path,
    mend: 'do not change model files while they are used; fetch the file again',
  });
};
