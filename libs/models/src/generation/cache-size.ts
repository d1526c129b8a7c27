/** How much memory keys and values take, from shapes alone. */
import { dtypeBytes } from '@emloc/tensor-stream';
import type { ModelOf } from '../types.ts';
import { BLOCK, settledColumns } from './key-value-cache.ts';

/** By layer: how far back its tokens see, themselves included; undefined: to the beginning. */
export const windowsOf = ({ architecture, config }: ModelOf): (number | undefined)[] => {
  const kinds = architecture.attentionKinds(config);
  return Array.from(
    { length: config.numLayers },
    (_, layer) => kinds[architecture.attentionKindOf(config, layer)]?.window,
  );
};

/** A cache of so many sequences, the longest of so many tokens. While a block settles, a layer is there twice. */
export const cacheBytesOf = (
  of: ModelOf,
  sequences: number,
  tokens: number,
  dtype: 'f32' | 'f64' = 'f32',
): number => {
  const { numKeyValueHeads, headDim } = of.config;
  const columns = windowsOf(of).map((window) => settledColumns(tokens, window) + BLOCK);
  const all = columns.reduce((sum, count) => sum + count, 0) + Math.max(...columns);
  return 2 * sequences * numKeyValueHeads * headDim * all * dtypeBytes[dtype];
};

/** How many of those who wait fit beside those who run; each is given by the tokens that it may come to. */
export const sequencesThatFit = (
  of: ModelOf & { readonly activationDtype: 'f32' | 'f64' },
  running: readonly number[],
  waiting: readonly number[],
  bytes: number,
): number => {
  let fit = 0;
  for (let count = 1; count <= waiting.length; count++) {
    const all = [...running, ...waiting.slice(0, count)];
    if (cacheBytesOf(of, all.length, Math.max(...all), of.activationDtype) <= bytes) fit = count;
    else break;
  }
  return fit === 0 && running.length === 0 ? Math.min(1, waiting.length) : fit;
};
