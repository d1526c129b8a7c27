/** What the Qwen2 and Qwen3 families share in config.json: which layers have a window. */
import { z } from 'zod';
import type { AttentionKind, ModelConfig, RopeConfig } from '../types.ts';
import { positiveInt } from './config-fields.ts';
import { checkWindow, layerTypesShape, parseLayerTypes, type LayerType } from './layer-types.ts';

export const qwenWindowShape = {
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: positiveInt.or(z.literal(0)).nullish(),
  ...layerTypesShape,
};

export interface QwenWindows {
  readonly layerTypes: readonly LayerType[];
  readonly slidingWindow: number | undefined;
}

/** Defaults are transformers': no window; where there is one, from layer 28 on. */
export const qwenWindows = (
  raw: z.infer<z.ZodObject<typeof qwenWindowShape>>,
  numLayers: number,
): QwenWindows => {
  const given = raw.sliding_window === undefined ? 4096 : (raw.sliding_window ?? undefined);
  const slidingWindow = raw.use_sliding_window === true ? given : undefined;
  const first = raw.max_window_layers ?? 28;
  const layerTypes = parseLayerTypes(raw.layer_types, numLayers, (layer) =>
    slidingWindow !== undefined && layer >= first ? 'sliding_attention' : 'full_attention',
  );
  checkWindow(layerTypes, slidingWindow);
  return { layerTypes, slidingWindow };
};

/** Layers with a window are of the second kind. */
export const qwenAttention = {
  attentionKinds: ({
    rope,
    headDim,
    slidingWindow: window,
  }: ModelConfig & QwenWindows & { readonly rope: RopeConfig }): readonly AttentionKind[] => {
    const full = { rope, scale: 1 / Math.sqrt(headDim) };
    return window === undefined ? [full] : [full, { ...full, window }];
  },
  attentionKindOf: ({ layerTypes }: QwenWindows, layer: number): number =>
    layerTypes[layer] === 'sliding_attention' ? 1 : 0,
};
