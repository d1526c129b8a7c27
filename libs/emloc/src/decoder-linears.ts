/** Every linear of every decoder layer by its full name: what ratios, target modules and Grams are about. */
import type { ModelOf } from '@emloc/models';

export interface DecoderLinear {
  /** Full name, such as `model.layers.3.self_attn.q_proj`. */
  readonly module: string;
  readonly layer: number;
  /** Inside its layer, such as `self_attn.q_proj`. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Full name of the first linear with the same input; they share one Gram matrix. */
  readonly inputGroup: string;
  /** The checkpoint holds the weight as in × out. */
  readonly transposed: boolean;
  /** Only the rows that a router chooses come to it. */
  readonly routed: boolean;
}

/** All of them, layer by layer in order of use. */
export function decoderLinears({ config, architecture }: ModelOf): DecoderLinear[] {
  return Array.from({ length: config.numLayers }, (_, layer) =>
    architecture.linears(config, layer).map((linear) => ({
      module: architecture.moduleName(layer, linear.name),
      layer,
      name: linear.name,
      inFeatures: linear.inFeatures,
      outFeatures: linear.outFeatures,
      inputGroup: architecture.moduleName(layer, linear.inputGroup),
      transposed: linear.transposed === true,
      routed: linear.routed === true,
    })),
  ).flat();
}
