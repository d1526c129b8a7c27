import { parseTrainingOptions } from '@emloc/emloc';
import { expect, test } from 'vitest';
import { batchesOf } from './batches.ts';

test('the largest micro-batch of the steps that will be done is what counts', () => {
  const lengths = [3, 4, 5, 6, 7, 50];
  const rows = { lengths, labelled: lengths.map((tokens) => tokens - 1) };
  const options = parseTrainingOptions({
    batchSize: 2,
    gradientAccumulationSteps: 1,
    shuffle: false,
    maxSteps: 2,
  });
  expect(batchesOf(rows, options)).toMatchObject({
    totalSteps: 2,
    microBatchTokens: 11,
    labelledTokens: 9,
    longest: 6,
    microBatches: 1,
  });
  expect(batchesOf(rows, options, 1)).toMatchObject({ microBatchTokens: 57, longest: 50 });
});
