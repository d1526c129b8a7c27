/** What a calibration works on: the model, its drawn samples, and the memory it will need. No TensorFlow yet. */
import { decoderLinears, predictPeak, type DecoderLinear, type MemoryPrediction } from '@emloc/emloc';
import { halfPrecision } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { openModel, type ModelDirectory, type TokenRow } from '@emloc/models';
import { loadRows } from '@emloc/service-kit/worker';
import type { CalibrationRequest } from './requests.ts';

export interface PreparedCalibration {
  readonly model: ModelDirectory;
  readonly linears: readonly DecoderLinear[];
  readonly rows: readonly TokenRow[];
  readonly tokens: number;
  readonly predicted: MemoryPrediction;
}

/** Tokens that pass through a layer at once (libs/emloc packs rows up to so many). */
const packedTokens = 512;

export async function prepareCalibration(request: CalibrationRequest): Promise<PreparedCalibration> {
  const model = openModel(request.model);
  const { samples, seed } = request;
  using drawn = await loadRows(request.dataset, model, { sample: { count: samples, seed } });
  const { index, count } = request.shard;
  const rows = drawn.slice().filter((_, i) => i % count === index);
  if (rows.length === 0) {
    throw new EmlocError('INVALID_ARGUMENT', 'SHARD_EMPTY', `shard ${index} of ${count} has no sample`, {
      field: 'options.shard_count',
      value: String(count),
      mend: `there are ${drawn.length} samples: use at most so many shards`,
    });
  }
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const tokens = lengths.reduce((a, b) => a + b, 0);
  const longest = Math.max(...lengths);
  const predicted = predictPeak('calibration', {
    model,
    convertsWeights: halfPrecision() === 'cast',
    microBatchTokens: Math.min(tokens, Math.max(packedTokens, longest)),
    sequenceTokens: longest,
    calibrationTokens: tokens,
  });
  return { model, linears: decoderLinears(model), rows, tokens, predicted };
}

export const mendCalibration = (): string => 'use fewer or shorter samples, or more shards';
