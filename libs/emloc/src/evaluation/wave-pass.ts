/** Packed rows through the whole model together, forward only: each layer's weights are visited once for all of them. */
import {
  forwardPass,
  lossPass,
  prepareBatch,
  type Batch,
  type LinearsFor,
  type PassOptions,
  type WeightSource,
} from '@emloc/models';
import type { PackedRows } from '../pack-rows.ts';

/** Of one row's labelled tokens, in their order. */
export interface RowTokens {
  readonly logProbs: Float64Array;
  /** 1 where the label is the most probable token; absent unless asked for. */
  readonly matches: Uint8Array | undefined;
}

export interface WaveOptions extends PassOptions {
  readonly matches?: boolean;
}

/** Hands over each row (by the index that its pack gives it) for each variant of the linears. */
export async function wavePass(
  source: WeightSource,
  packs: readonly PackedRows[],
  variants: readonly LinearsFor[],
  { matches = false, ...options }: WaveOptions,
  onRow: (variant: number, row: number, tokens: RowTokens) => void,
): Promise<void> {
  const batches: Batch[] = [];
  try {
    for (const { rows } of packs)
      batches.push(prepareBatch(source, rows, source.activationDtype, { sharePrefix: true, padRows: true }));
    const n = batches.length;
    // The same micro-batches once a variant: `micro` counts through all of them.
    const all = variants.flatMap(() => batches);
    const linears: LinearsFor = (layer, weights, micro) =>
      variants[Math.floor(micro / n)]!(layer, weights, micro % n);
    const forward = await forwardPass(source, all, linears, options);
    try {
      lossPass(source, all, forward.hidden, { matches }).micro.forEach((result, micro) => {
        const { labelCounts } = batches[micro % n]!;
        let first = 0;
        packs[micro % n]!.indices.forEach((row, i) => {
          const end = first + labelCounts[i]!;
          const own = {
            logProbs: result.logProbs.slice(first, end),
            matches: result.matches?.slice(first, end),
          };
          onRow(Math.floor(micro / n), row, own);
          first = end;
        });
      });
    } finally {
      forward.dispose();
    }
  } finally {
    for (const batch of batches) batch.dispose();
  }
}
