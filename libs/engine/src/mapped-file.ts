/**
 * A file's bytes as tensors, without a copy: the weights are page cache that the system may drop and read again, and
 * do not count as private memory.
 *
 * TensorFlow takes memory as it is where it is aligned to 64 bytes. Where it is not (files of Hugging Face's own writer
 * align to 8 bytes only), the tensor is read into memory of its own, which is private; TensorFlow would copy it from the
 * mapping, whose pages would then be in memory as well. On a GPU the elements are copied to it.
 *
 * A file that shrinks while it is mapped ends the process with SIGBUS when the missing part is touched. Its size is
 * checked when it is opened and before each tensor, which catches a file that shrank before.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { EmlocError } from '@emloc/errors';
import { dtypeBytes, elementCount, type DType } from '@emloc/tensor-stream';
import { TF_DTYPE } from './binding/dtypes.ts';
import { borrowHandle, fillHandle } from './binding/handles.ts';
import { harmlessFunction, libc, map, type Address } from './binding/libc.ts';
import { Tensor } from './tensor.ts';

/** What begins at a multiple of it in the file is used where it lies; anything else is copied. */
export const MAPPED_ALIGNMENT = 64;

/** Read at a time: a call of the system reads at most 2 GiB. */
const READ_BYTES = 2 ** 30;

export interface MappedTensorInfo {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Byte offsets from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

export class MappedFile implements Disposable {
  readonly path: string;
  readonly bytes: number;
  readonly #fd: number;
  #at: Address = 0;
  #openTensors = 0;
  #closed = false;

  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, 'r');
    } catch (thrown) {
      throw EmlocError.from(thrown);
    }
    this.bytes = fstatSync(this.#fd).size;
    if (this.bytes === 0) return;
    const at = libc.mmap(0, this.bytes, map.protRead, map.shared, this.#fd, 0);
    if (at === -1) {
      closeSync(this.#fd);
      throw new EmlocError('RESOURCE_EXHAUSTED', 'FILE_NOT_MAPPABLE', `cannot be mapped: ${path}`, {
        value: path,
        mend: 'put it on a local disk, and allow the process more address space (ulimit -v)',
      });
    }
    this.#at = at;
  }

  /** The tensor at these offsets. It must be disposed before the mapping can end. */
  tensor(info: MappedTensorInfo): Tensor {
    const { dtype, shape, begin, end } = info;
    if (this.#closed) {
      throw new EmlocError('FAILED_PRECONDITION', 'FILE_CLOSED', `the mapping was closed: ${this.path}`);
    }
    if (end - begin !== elementCount(shape) * dtypeBytes[dtype] || begin < 0 || end > this.bytes) {
      throw new EmlocError(
        'INVALID_ARGUMENT',
        'SHAPE_MISMATCH',
        `bytes ${begin} to ${end} of ${this.bytes} are no tensor ${dtype}[${shape.join(',')}]`,
        { value: this.path },
      );
    }
    this.#checkSize();
    if (begin % MAPPED_ALIGNMENT !== 0)
      return new Tensor(fillHandle(TF_DTYPE[dtype], shape, end - begin, (at) => this.#read(begin, end, at)));
    this.#openTensors++;
    try {
      const handle = borrowHandle(TF_DTYPE[dtype], shape, this.#at + begin, end - begin, harmlessFunction);
      return new Tensor(handle, () => this.#release());
    } catch (thrown) {
      this.#release();
      throw thrown;
    }
  }

  /** Tells the system that this part will be needed soon, so that it reads ahead. */
  willNeed(begin: number, end: number): void {
    this.#advise(begin, end, map.willNeed);
  }

  /** Lets the system take the pages of this part back now; they are read again when touched. */
  forget(begin = 0, end = this.bytes): void {
    this.#advise(begin, end, map.dontNeed);
  }

  /** Ends the mapping, or lets it end with the last of its tensors. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#openTensors === 0) this.#unmap();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(begin: number, end: number, to: Address): void {
    for (let at = begin; at < end;) {
      const read = libc.pread(this.#fd, to + (at - begin), Math.min(READ_BYTES, end - at), at);
      if (read <= 0)
        throw new EmlocError(
          'DATA_LOSS',
          'FILE_NOT_READABLE',
          `bytes from ${at} on cannot be read: ${this.path}`,
          {
            value: this.path,
            mend: 'check the disk that it lies on, or fetch the file again',
          },
        );
      at += read;
    }
  }

  #release(): void {
    this.#openTensors--;
    if (this.#closed && this.#openTensors === 0) this.#unmap();
  }

  #unmap(): void {
    if (this.#at !== 0) libc.munmap(this.#at, this.bytes);
    this.#at = 0;
    closeSync(this.#fd);
  }

  #checkSize(): void {
    const now = fstatSync(this.#fd).size;
    if (now >= this.bytes) return;
    throw new EmlocError(
      'DATA_LOSS',
      'FILE_SHRANK',
      `the file had ${this.bytes} bytes when it was opened and has ${now} now: ${this.path}`,
      { value: this.path, mend: 'restore the file, and do not write to it while it is used' },
    );
  }

  #advise(begin: number, end: number, advice: number): void {
    if (this.#at === 0 || end <= begin) return;
    const page = 4096;
    const from = Math.floor(begin / page) * page;
    libc.madvise(this.#at + from, Math.min(end, this.bytes) - from, advice);
  }
}
