/**
 * Frames back into tensors. Nothing that a sender says is believed: order, lengths, types and the checksum are checked,
 * and memory is taken for no more than the limit. An assembler that has thrown is done with.
 */
import { crc32 } from 'node:zlib';
import { EmlocError, type ErrorCode } from '@emloc/errors';
import { byteLength, elementCount, type TensorInfo } from '../dtype.ts';
import { tensorLimits } from '../limits.ts';
import { fromWireDType, type TensorFrame, type TensorHeader } from './frames.ts';

export interface AssembledTensor {
  readonly info: TensorInfo;
  /** Fresh memory on an 8-byte border, so typed arrays can view it. */
  readonly bytes: Uint8Array;
}

const sendAgain = 'send the tensor again';
const inOrder = 'send header, chunks, end';

interface OpenTensor extends AssembledTensor {
  received: number;
  sum: number;
}

export class TensorAssembler {
  readonly #maxTensorBytes: number;
  #open: OpenTensor | undefined;

  constructor(options: { readonly maxTensorBytes?: number } = {}) {
    this.#maxTensorBytes = options.maxTensorBytes ?? tensorLimits.tensorBytes;
  }

  /** The tensor, when `frame` was its end. */
  push(frame: TensorFrame): AssembledTensor | undefined {
    if (frame.header) this.#begin(frame.header);
    else if (frame.chunk) this.#append(frame.chunk.data);
    else if (frame.end) return this.#finish(frame.end.crc32);
    else
      throw wrong('INVALID_ARGUMENT', 'EMPTY_FRAME', 'a frame holds neither header, chunk nor end', 'frame', {
        mend: 'set one of them',
      });
    return undefined;
  }

  /** Called at the end of the stream: a tensor that is still open was cut short. */
  close(): void {
    if (!this.#open) return;
    const { info, received, bytes } = this.#open;
    const problem = `the stream ended after ${received} of ${bytes.byteLength} bytes of ${info.name}`;
    throw wrong('DATA_LOSS', 'TENSOR_CUT_SHORT', problem, info.name, {
      value: String(received),
      mend: sendAgain,
    });
  }

  #begin(header: TensorHeader): void {
    if (this.#open) {
      const name = this.#open.info.name;
      const problem = `${header.name} begins before ${name} has ended`;
      throw wrong('INVALID_ARGUMENT', 'FRAME_ORDER', problem, name, { mend: inOrder });
    }
    const info = checkHeader(header, this.#maxTensorBytes);
    this.#open = { info, bytes: allocate(info), received: 0, sum: 0 };
  }

  #append(data: Uint8Array): void {
    const open = this.#opened('a chunk');
    const { name } = open.info;
    if (data.byteLength === 0 || data.byteLength > tensorLimits.chunkBytes) {
      const problem = `a chunk of ${name} has ${data.byteLength} bytes, not 1 to ${tensorLimits.chunkBytes}`;
      throw wrong('INVALID_ARGUMENT', 'CHUNK_SIZE', problem, name, {
        value: String(data.byteLength),
        mend: `send 1 to ${tensorLimits.chunkBytes} bytes a chunk`,
      });
    }
    if (open.received + data.byteLength > open.bytes.byteLength) {
      const problem = `${name} has ${open.bytes.byteLength} bytes, but more were sent`;
      const value = String(open.received + data.byteLength);
      throw wrong('DATA_LOSS', 'TOO_MANY_BYTES', problem, name, { value, mend: sendAgain });
    }
    open.bytes.set(data, open.received);
    open.received += data.byteLength;
    open.sum = crc32(data, open.sum);
  }

  #finish(sum: number): AssembledTensor {
    const { info, bytes, received, sum: own } = this.#opened('an end');
    if (received !== bytes.byteLength) this.close();
    if (own !== sum >>> 0) {
      const problem = `${info.name} was damaged on the way: its checksum is ${hex(own)}, the sender's ${hex(sum)}`;
      throw wrong('DATA_LOSS', 'CHECKSUM_MISMATCH', problem, info.name, { value: hex(sum), mend: sendAgain });
    }
    this.#open = undefined;
    return { info, bytes };
  }

  #opened(what: string): OpenTensor {
    if (this.#open) return this.#open;
    throw wrong('INVALID_ARGUMENT', 'FRAME_ORDER', `${what} came before a header`, 'frame', {
      mend: inOrder,
    });
  }
}

/** The tensors of a stream, one after the other. */
export async function* readTensors(
  frames: AsyncIterable<TensorFrame> | Iterable<TensorFrame>,
  options?: { readonly maxTensorBytes?: number },
): AsyncGenerator<AssembledTensor> {
  const assembler = new TensorAssembler(options);
  for await (const frame of frames) {
    const tensor = assembler.push(frame);
    if (tensor) yield tensor;
  }
  assembler.close();
}

function checkHeader(header: TensorHeader, maxTensorBytes: number): TensorInfo {
  const { name } = header;
  const shape = header.shape ?? [];
  if (!name || name.length > tensorLimits.nameCharacters) {
    const problem = `a tensor's name has ${name?.length ?? 0} characters, not 1 to ${tensorLimits.nameCharacters}`;
    throw wrong('INVALID_ARGUMENT', 'BAD_TENSOR_NAME', problem, 'header.name', {
      value: name?.slice(0, 40),
      mend: 'name it as the stream says',
    });
  }
  const dtype = fromWireDType(header.dtype);
  if (!dtype) {
    throw wrong('INVALID_ARGUMENT', 'BAD_DTYPE', `${name} has dtype ${header.dtype}`, 'header.dtype', {
      value: `${header.dtype}`,
      mend: 'use one of DType',
    });
  }
  const shown = `[${shape.slice(0, 16).join(', ')}]`;
  if (shape.length > tensorLimits.rank || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    const problem = `${name} has shape ${shown}, not at most ${tensorLimits.rank} counts`;
    throw wrong('INVALID_ARGUMENT', 'BAD_SHAPE', problem, 'header.shape', {
      value: shown,
      mend: `give at most ${tensorLimits.rank} whole numbers, none below 0`,
    });
  }
  const expected = byteLength({ dtype, shape });
  if (!Number.isSafeInteger(elementCount(shape)) || header.byteLength !== expected) {
    const problem = `${name}, ${dtype} of shape ${shown}, has ${expected} bytes, not ${header.byteLength}`;
    throw wrong('INVALID_ARGUMENT', 'WRONG_BYTE_LENGTH', problem, 'header.byte_length', {
      value: `${header.byteLength}`,
      mend: 'send the length that follows from shape and type',
    });
  }
  if (expected > maxTensorBytes) {
    const problem = `${name} has ${expected} bytes; at most ${maxTensorBytes} are taken`;
    throw wrong('RESOURCE_EXHAUSTED', 'TENSOR_TOO_LARGE', problem, 'header.byte_length', {
      value: `${expected}`,
      mend: 'use the operation instead, which reads files',
    });
  }
  return { name, dtype, shape };
}

function allocate(info: TensorInfo): Uint8Array {
  try {
    return new Uint8Array(byteLength(info));
  } catch (cause) {
    throw new EmlocError('RESOURCE_EXHAUSTED', 'OUT_OF_MEMORY', `no memory for ${info.name}`, {
      field: info.name,
      value: `${byteLength(info)} bytes`,
      cause,
    });
  }
}

const hex = (sum: number): string => (sum >>> 0).toString(16).padStart(8, '0');

const wrong = (
  code: ErrorCode,
  reason: string,
  message: string,
  field: string,
  details: { readonly value?: string; readonly mend: string },
): EmlocError => new EmlocError(code, reason, message, { field, ...details });
