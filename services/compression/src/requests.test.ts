import { fileURLToPath } from 'node:url';
import type { SourceResolver } from '@emloc/service-kit';
import { expect, test } from 'vitest';
import { readCompression } from './requests.ts';

/** A data file, which is looked at when its format is asked for. */
const data = fileURLToPath(new URL('../../../tests/fixtures/tiny-llama/train.jsonl', import.meta.url));
const sources: SourceResolver = { resolve: async (fields) => ({ path: fields.requiredText('path') }) };
const calibration = { options: { dataset: { source: { path: data } }, samples: 8 } };
const read = (options: object, statistics: object | undefined = { calibration }) =>
  readCompression({ model: { path: '/m' }, options, statistics } as never, sources);

test('a stream of Grams keeps the message that calibration will get, and is resolved for the key of the result', async () => {
  expect(await read({ ratio: 0.5 })).toMatchObject({
    ratios: { ratio: 0.5 },
    method: 'activation-svd',
    statistics: {
      kind: 'stream',
      message: { model: { path: '/m' }, options: calibration.options },
      dataset: { path: data },
      samples: 8,
    },
  });
});

test('patterns stay in order, and plain SVD needs no Grams', async () => {
  const ratios = [
    { pattern: '.*q_proj', ratio: 0.25 },
    { pattern: '.*', ratio: 1 },
  ];
  expect(await read({ ratios, method: 'COMPRESSION_METHOD_SVD' })).toMatchObject({
    ratios: {
      ratios: [
        ['.*q_proj', 0.25],
        ['.*', 1],
      ],
    },
    statistics: { kind: 'none' },
  });
});

test.each([
  [{}, undefined, 'options.ratio'],
  [{ ratio: 0 }, undefined, 'options.ratio'],
  [{ ratio: 0.5, ratios: [{ pattern: '.*', ratio: 0.5 }] }, undefined, 'options.ratios'],
  [{ ratios: [{ pattern: '', ratio: 0.5 }] }, undefined, 'options.ratios[0].pattern'],
  [{ ratios: [{ pattern: '.*', ratio: 2 }] }, undefined, 'options.ratios[0].ratio'],
  [{ ratio: 0.5 }, {}, 'statistics.calibration'],
  [
    { ratio: 0.5 },
    { calibration: { options: { ...calibration.options, shardCount: 2 } } },
    'statistics.calibration.options.shard_count',
  ],
  [
    { ratio: 0.5 },
    { calibration: { ...calibration, addresses: ['a:1', 'a:1'] } },
    'statistics.calibration.addresses',
  ],
])('%o with %o is refused', async (options, statistics, field) => {
  await expect(read(options, statistics)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field });
});
