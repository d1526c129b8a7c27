/**
 * The block formats that are imported, and their numbers back as float32. The layouts are ggml's (ggml-common.h): a
 * block of 32 elements has a half-precision scale `d`, for Q4_1 also a minimum `m`, then the quants; the low halves of
 * the bytes of a 4-bit block are elements 0 to 15, the high halves 16 to 31.
 */
import { bf16ToFloat32, f16Table, f16ToFloat32 } from '@emloc/tensor-stream';

export interface BlockType {
  readonly name: 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'Q4_1';
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
  [8, { name: 'Q8_0', blockElements: 32, blockBytes: 34, dequantize: dequantizeQ8 }],
  [2, { name: 'Q4_0', blockElements: 32, blockBytes: 18, dequantize: (bytes) => dequantizeQ4(bytes, false) }],
  [3, { name: 'Q4_1', blockElements: 32, blockBytes: 20, dequantize: (bytes) => dequantizeQ4(bytes, true) }],
]);

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

/** Q4_0: x = d (q − 8); Q4_1: x = d q + m */
function dequantizeQ4(bytes: Uint8Array, hasMinimum: boolean): Float32Array {
  const blockBytes = hasMinimum ? 20 : 18;
  const half = halfOf(bytes);
  const blocks = bytes.length / blockBytes;
  const out = new Float32Array(blocks * 32);
  for (let block = 0; block < blocks; block++) {
    const at = block * blockBytes;
    const d = half(at);
    const m = hasMinimum ? half(at + 2) : undefined;
    const number = m === undefined ? (q: number) => d * (q - 8) : (q: number) => d * q + m;
    const quants = at + blockBytes - 16;
    for (let i = 0; i < 16; i++) {
      const q = bytes[quants + i]!;
      out[block * 32 + i] = number(q & 15);
      out[block * 32 + 16 + i] = number(q >> 4);
    }
  }
  return out;
}

/** Half-precision numbers by their place in the bytes. */
function halfOf(bytes: Uint8Array): (at: number) => number {
  const table = f16Table();
  return (at) => table[bytes[at]! | (bytes[at + 1]! << 8)]!;
}
