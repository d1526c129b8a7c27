import { fileURLToPath } from 'node:url';
import { Fields, type SourceResolver } from '@emloc/service-kit';
import { expect, test } from 'vitest';
import { readCalibration } from './requests.ts';

/** A data file, which is looked at when its format is asked for. */
const data = fileURLToPath(new URL('../../../tests/fixtures/tiny-llama/train.jsonl', import.meta.url));
const sources: SourceResolver = { resolve: async (fields) => ({ path: fields.requiredText('path') }) };
const read = (options: object, rest: object = {}): ReturnType<typeof readCalibration> => {
  const dataset = { source: { path: data } };
  return readCalibration(
    new Fields({ model: { path: '/m' }, options: { dataset, ...options }, ...rest }),
    sources,
  );
};

test('what is not set has its default', async () => {
  expect(await read({})).toEqual({
    model: '/m',
    dataset: { path: data, format: 'jsonl', columns: {}, lossOn: 'completion' },
    samples: 64,
    seed: 42,
    shard: { index: 0, count: 1 },
  });
  expect(await read({ seed: 0 })).toMatchObject({ seed: 0 });
});

test.each([
  [{ samples: 0 }, {}, 'options.samples'],
  [{ shardIndex: 2, shardCount: 2 }, {}, 'options.shard_index'],
  [{ shardCount: 0 }, {}, 'options.shard_count'],
  [{ dataset: { source: { path: data }, maxSeqLength: 1 } }, {}, 'options.dataset.max_seq_length'],
  [{ dataset: {} }, {}, 'options.dataset.source'],
  [{}, { memoryBudgetBytes: 0 }, 'memory_budget_bytes'],
])('%o %o is refused', async (options, rest, field) => {
  await expect(read(options, rest)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field });
});
