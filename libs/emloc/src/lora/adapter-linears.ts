/** The linears of every layer of a source, with an adapter or without: what the passes over a model are given. */
import { plainLinears, type LinearsFor, type WeightSource } from '@emloc/models';
import type { LoraAdapter } from './lora-adapter.ts';
import { loraLinears, type LoraUse } from './lora-linears.ts';

/** `use` may depend on the micro-batch (dropout). */
export function adapterLinears(
  source: Pick<WeightSource, 'architecture'>,
  adapter: LoraAdapter | undefined,
  use: (micro: number) => Omit<LoraUse, 'moduleName'> = () => ({}),
): LinearsFor {
  return (layer, weights, micro) =>
    adapter === undefined
      ? plainLinears(weights)
      : loraLinears(weights, adapter, {
          ...use(micro),
          moduleName: (linear) => source.architecture.moduleName(layer, linear),
        });
}
