/** The Gram matrices of one decoder layer, as they go from calibration to compression. */
import type { Tensor } from '@emloc/engine';

export interface LayerGrams {
  readonly layer: number;
  /** By the full name of the first linear of each group of linears that share an input. d_in × d_in. */
  readonly grams: ReadonlyMap<string, Tensor>;
  /** Full name of every linear of the layer that has a Gram → its key in `grams`. */
  readonly gramOf: ReadonlyMap<string, string>;
}

/** A stream of them in the order of layers. Each layer's tensors live until the next is pulled. */
export type GramLayers = AsyncIterable<LayerGrams>;

export const gramTensorName = (group: string): string => `gram.${group}`;

export function disposeGrams(grams: ReadonlyMap<string, Tensor>): void {
  for (const gram of grams.values()) gram.dispose();
}
