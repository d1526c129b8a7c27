/**
 * K-quants (ggml-common.h): a super-block of 256 elements has one or two half-precision scales, and each 16 or 32 of its
 * elements a scale (and a minimum) of 6 or 8 bits on top. In comments: d, m the super-block's scale and minimum.
 */
import { f16Table } from '@emloc/tensor-stream';

const elements = 256;

/** Half-precision numbers by their place in the bytes. */
export function halfOf(bytes: Uint8Array): (at: number) => number {
  const table = f16Table();
  return (at) => table[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

/** x = d s q − m t for each 32 elements, of 4 bits (Q4_K) or, with a fifth bit in 32 bytes of its own, 5 (Q5_K). */
export function dequantizeK45(bytes: Uint8Array, bits: 4 | 5): Float32Array {
  const blockBytes = bits === 4 ? 144 : 176;
  const half = halfOf(bytes);
  const blocks = bytes.length / blockBytes;
  const out = new Float32Array(blocks * elements);
  for (let block = 0; block < blocks; block++) {
    const at = block * blockBytes;
    const [d, m] = [half(at), half(at + 2)];
    const highs = at + 16;
    const quants = bits === 4 ? highs : highs + 32;
    for (let part = 0; part < 8; part++) {
      const [scale, minimum] = scaleAndMinimum(bytes, at + 4, part);
      const from = quants + 32 * (part >> 1);
      const to = block * elements + 32 * part;
      for (let i = 0; i < 32; i++) {
        const low = part % 2 === 0 ? bytes[from + i]! & 15 : bytes[from + i]! >> 4;
        const high = bits === 4 ? 0 : ((bytes[highs + i]! >> part) & 1) << 4;
        out[to + i] = d * scale * (low + high) - m * minimum;
      }
    }
  }
  return out;
}

/** Eight scales and eight minima of 6 bits in 12 bytes: the last four keep their upper two bits in the first eight. */
function scaleAndMinimum(bytes: Uint8Array, at: number, part: number): readonly [number, number] {
  if (part < 4) return [bytes[at + part]! & 63, bytes[at + part + 4]! & 63];
  const low = bytes[at + part + 4]!;
  return [(low & 15) | ((bytes[at + part - 4]! >> 6) << 4), (low >> 4) | ((bytes[at + part]! >> 6) << 4)];
}

/** Q6_K: x = d s (q − 32), q of 4 bits and two more, s a signed byte for each 16 elements. */
export function dequantizeK6(bytes: Uint8Array): Float32Array {
  const blockBytes = 210;
  const half = halfOf(bytes);
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks = bytes.length / blockBytes;
  const out = new Float32Array(blocks * elements);
  for (let block = 0; block < blocks; block++) {
    const at = block * blockBytes;
    const [highs, scales] = [at + 128, at + 192];
    const d = half(at + 208);
    for (let i = 0; i < elements; i++) {
      // Each half of the block: four runs of 32, the first two low nibbles of 64 bytes, the others their high ones.
      const [side, run, place] = [i >> 7, (i >> 5) & 3, i & 31];
      const low = bytes[at + 64 * side + 32 * (run & 1) + place]!;
      const high = (bytes[highs + 32 * side + place]! >> (2 * run)) & 3;
      const q = ((run < 2 ? low & 15 : low >> 4) | (high << 4)) - 32;
      out[block * elements + i] = d * signed[scales + (i >> 4)]! * q;
    }
  }
  return out;
}
