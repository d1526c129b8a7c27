/**
 * Weights that cannot be used where they lie in their file, because they are not aligned there, and so are read into
 * private memory (`MappedFile`). Told from the headers alone; files that we write are aligned.
 */
import { MAPPED_ALIGNMENT } from '@emloc/engine';
import type { ModelDirectory, ModelOf } from '@emloc/models';

/** A model as planned with: its files are looked at where it has any. */
export type PlannedModel = ModelOf & Partial<Pick<ModelDirectory, 'tensors'>>;

export interface CopiedBytes {
  /** All of them, as resident weights hold them. */
  readonly all: number;
  /** Of the layer with most. */
  readonly layer: number;
  /** The output matrix, or the embedding, whichever is more. */
  readonly head: number;
}

export function copiedBytes({ architecture, config, tensors }: PlannedModel): CopiedBytes {
  const layers = new Array<number>(config.numLayers).fill(0);
  const prefixes = layers.map((_, layer) => architecture.moduleName(layer, ''));
  const layerOf = new Map(prefixes.map((prefix, layer) => [prefix, layer]));
  const [prefix = ''] = prefixes;
  const depth = prefix.split('.').length - 1;
  let [all, head] = [0, 0];
  for (const [name, { begin, end }] of tensors ?? []) {
    if (begin % MAPPED_ALIGNMENT === 0) continue;
    const bytes = end - begin;
    all += bytes;
    const layer = layerOf.get(`${name.split('.').slice(0, depth).join('.')}.`);
    if (layer === undefined) head = Math.max(head, bytes);
    else layers[layer]! += bytes;
  }
  return { all, layer: Math.max(0, ...layers), head };
}
