/**
 * The block formats that are imported, and their numbers back as float32. The layouts are ggml's (ggml-common.h): a
 * block of 32 elements has a half-precision scale `d`, for Q4_1 and Q5_1 also a minimum `m`, then the quants; the low halves
 * of the bytes of a 4-bit block are elements 0 to 15, the high halves 16 to 31. K-quants: k-quants.ts.
 */
import { bf16ToFloat32, f16ToFloat32 } from '@emloc/tensor-stream';
import { dequantizeK45, dequantizeK6, halfOf } from './k-quants.ts';

export interface BlockType {
  readonly name:
    'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q4_K' | 'Q5_K' | 'Q6_K';
  readonly blockElements: number;
  readonly blockBytes: number;
  /** `bytes` holds whole blocks and begins on an 8-byte border. */
  dequantize(bytes: Uint8Array): Float32Array;
}

/** By ggml's number for the type. */
export const blockTypes: ReadonlyMap<number, BlockType> = new Map<number, BlockType>([
  [
    0,
    {
      name: 'F32',
      blockElements: 1,
      blockBytes: 4,
      dequantize: (bytes) => new Float32Array(...view(bytes, 4)),
    },
  ],
  [
    1,
    {
      name: 'F16',
      blockElements: 1,
      blockBytes: 2,
      dequantize: (bytes) => f16ToFloat32(new Uint16Array(...view(bytes, 2))),
    },
  ],
  [
    30,
    {
      name: 'BF16',
      blockElements: 1,
      blockBytes: 2,
      dequantize: (bytes) => bf16ToFloat32(new Uint16Array(...view(bytes, 2))),
    },
  ],
  [8, quants('Q8_0', 32, 34, dequantizeQ8)],
  [2, quants('Q4_0', 32, 18, (bytes) => dequantizeQ45(bytes, 4, false))],
  [3, quants('Q4_1', 32, 20, (bytes) => dequantizeQ45(bytes, 4, true))],
  [6, quants('Q5_0', 32, 22, (bytes) => dequantizeQ45(bytes, 5, false))],
  [7, quants('Q5_1', 32, 24, (bytes) => dequantizeQ45(bytes, 5, true))],
  [12, quants('Q4_K', 256, 144, (bytes) => dequantizeK45(bytes, 4))],
  [13, quants('Q5_K', 256, 176, (bytes) => dequantizeK45(bytes, 5))],
  [14, quants('Q6_K', 256, 210, dequantizeK6)],
]);

function quants(
  name: BlockType['name'],
  blockElements: number,
  blockBytes: number,
  dequantize: BlockType['dequantize'],
): BlockType {
  return { name, blockElements, blockBytes, dequantize };
}

const view = (bytes: Uint8Array, elementBytes: number): [ArrayBuffer, number, number] => [
  bytes.buffer as ArrayBuffer,
  bytes.byteOffset,
  bytes.byteLength / elementBytes,
];

/** x = d q */
function dequantizeQ8(bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / 34;
  const out = new Float32Array(blocks * 32);
  const half = halfOf(bytes);
  const quants = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let block = 0; block < blocks; block++) {
    const at = block * 34;
    const d = half(at);
    for (let i = 0; i < 32; i++) out[block * 32 + i] = d * quants[at + 2 + i]!;
  }
  return out;
}

/** Q4_0: x = d (q − 8); Q4_1: x = d q + m; Q5_0: x = d (q − 16); Q5_1: x = d q + m. The fifth bits are 4 bytes of their own. */
function dequantizeQ45(bytes: Uint8Array, bits: 4 | 5, hasMinimum: boolean): Float32Array {
  const blockBytes = 18 + (hasMinimum ? 2 : 0) + (bits === 5 ? 4 : 0);
  const half = halfOf(bytes);
  const blocks = bytes.length / blockBytes;
  const out = new Float32Array(blocks * 32);
  const middle = 1 << (bits - 1);
  for (let block = 0; block < blocks; block++) {
    const at = block * blockBytes;
    const d = half(at);
    const m = hasMinimum ? half(at + 2) : undefined;
    const number = m === undefined ? (q: number) => d * (q - middle) : (q: number) => d * q + m;
    const quants = at + blockBytes - 16;
    const fifth = (i: number): number =>
      bits === 4 ? 0 : ((bytes[quants - 4 + (i >> 3)]! >> (i & 7)) & 1) << 4;
    for (let i = 0; i < 16; i++) {
      const q = bytes[quants + i]!;
      out[block * 32 + i] = number((q & 15) | fifth(i));
      out[block * 32 + 16 + i] = number((q >> 4) | fifth(16 + i));
    }
  }
  return out;
}
