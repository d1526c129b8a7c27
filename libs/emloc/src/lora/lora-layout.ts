/** Where each A and B lies in an adapter's one flat vector: [A₀, B₀, A₁, B₁, …], row-major. */
import type { DecoderLinear } from '../decoder-linears.ts';

export interface LoraModule {
  readonly module: string;
  readonly layer: number;
  /** Inside its layer, such as `self_attn.q_proj`. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The checkpoint holds the linear's weight as in × out (A and B are as of any other). */
  readonly transposed: boolean;
  /** First number of A (r × inFeatures) and of B (outFeatures × r). */
  readonly aOffset: number;
  readonly bOffset: number;
}

export interface LoraLayout {
  readonly r: number;
  readonly modules: readonly LoraModule[];
  /** Numbers in all. */
  readonly size: number;
}

export function loraLayout(linears: readonly DecoderLinear[], r: number): LoraLayout {
  let size = 0;
  const modules = linears.map(({ module, layer, name, inFeatures, outFeatures, transposed }) => {
    const aOffset = size;
    const bOffset = aOffset + r * inFeatures;
    size = bOffset + outFeatures * r;
    return { module, layer, name, inFeatures, outFeatures, transposed, aOffset, bOffset };
  });
  return { r, modules, size };
}

/** The sizes of the vector's pieces, in order. */
export const pieceSizes = ({ r, modules }: LoraLayout): number[] =>
  modules.flatMap(({ inFeatures, outFeatures }) => [r * inFeatures, outFeatures * r]);
