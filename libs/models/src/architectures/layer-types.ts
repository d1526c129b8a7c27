/** Which layers attend to everything before and which through a window, as config.json says it. */
import { z } from 'zod';
import { badConfig, positiveInt } from './config-fields.ts';

export type LayerType = 'full_attention' | 'sliding_attention';

export const layerTypesShape = {
  layer_types: z.array(z.string()).nullish(),
  sliding_window: positiveInt.nullish(),
};

/** The list in config.json, or `otherwise` by layer where there is none. */
export const parseLayerTypes = (
  given: readonly string[] | null | undefined,
  numLayers: number,
  otherwise: (layer: number) => LayerType,
): readonly LayerType[] => {
  if (given == null) return Array.from({ length: numLayers }, (_, layer) => otherwise(layer));
  if (given.length < numLayers)
    throw badConfig(
      'layer_types',
      `${given.length} entries`,
      `layer_types has ${given.length} entries for ${numLayers} layers`,
      'correct config.json',
    );
  return given.slice(0, numLayers).map((type, layer) => {
    if (type === 'full_attention' || type === 'sliding_attention') return type;
    throw badConfig(
      `layer_types.${layer}`,
      type,
      `layers of type "${type}" are not supported`,
      'use a model with full_attention and sliding_attention only',
    );
  });
};

/** Refuses layers with a window of no size. */
export const checkWindow = (types: readonly LayerType[], window: number | undefined): void => {
  if (window === undefined && types.includes('sliding_attention'))
    throw badConfig('sliding_window', undefined, 'sliding_attention needs a sliding_window', 'add it');
};
