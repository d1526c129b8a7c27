/** A tensor as the frames that carry it: header, chunks of at most 1 MiB, checksum. Chunks view the bytes given. */
import { crc32 } from 'node:zlib';
import { EmlocError } from '@emloc/errors';
import { byteLength, type TensorInfo } from '../dtype.ts';
import { tensorLimits } from '../limits.ts';
import { toWireDType, type TensorFrame } from './frames.ts';

/** `bytes` is all of the data, or its pieces in order (as `readTensorChunks` gives them). */
export function* writeTensor(
  info: TensorInfo,
  bytes: Uint8Array | Iterable<Uint8Array>,
): Generator<TensorFrame> {
  const expected = byteLength(info);
  yield {
    header: { name: info.name, dtype: toWireDType(info.dtype), shape: info.shape, byteLength: expected },
  };
  let sum = 0;
  let sent = 0;
  for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
    for (let at = 0; at < piece.byteLength; at += tensorLimits.chunkBytes) {
      const data = piece.subarray(at, at + tensorLimits.chunkBytes);
      sum = crc32(data, sum);
      sent += data.byteLength;
      yield { chunk: { data } };
    }
  }
  if (sent !== expected) {
    throw new EmlocError(
      'INTERNAL',
      'WRONG_BYTE_LENGTH',
      `${info.name} has ${expected} bytes, but ${sent} were given`,
      {
        field: info.name,
        value: String(sent),
      },
    );
  }
  yield { end: { crc32: sum } };
}
