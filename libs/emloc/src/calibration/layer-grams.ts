/** The Gram matrices of one decoder layer, as they go from calibration to compression. */
import type { Tensor } from '@emloc/engine';

export interface LayerGrams {
  readonly layer: number;
  /** By the full name of the first linear of each group of linears that share an input. d_in × d_in. */
  readonly grams: ReadonlyMap<string, Tensor>;
  /** Full name of every linear of the layer that has a Gram → its key in `grams`. */
  readonly gramOf: ReadonlyMap<string, string>;
  /** Rows that each of `grams` was summed over, by the same keys; 0 where none came to it (an expert). What is not known is not there. */
  readonly rows: ReadonlyMap<string, number>;
}

/** A stream of them in the order of layers. Each layer's tensors live until the next is pulled. */
export type GramLayers = AsyncIterable<LayerGrams>;

/** Of a Gram in a file, beside which the number of its rows stands as a tensor: where it is an expert's. */
export const rowsTensorName = (gram: string): string => gram.replace(/^gram\./, 'rows.');

export const gramTensorName = (group: string): string => `gram.${group}`;

export function disposeGrams(grams: ReadonlyMap<string, Tensor>): void {
  for (const gram of grams.values()) gram.dispose();
}
