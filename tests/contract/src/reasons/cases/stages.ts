/** What calibration, compression and training refuse once they look into what they were given. */
import { calibration, call, compression, started, training, type Case } from '../case.ts';
import { fixtureAdapter, floats, model, trainRows, type Files } from '../files.ts';

export function stageCases(files: Files): Case[] {
  const compresses = (name: string, more: object): Pick<Case, 'call' | 'wait'> =>
    started(`${compression}/StartCompression`, {
      operationId: files.id(`compression-${name}`),
      ...{ model, ...more },
    });
  const trains = (name: string, more: object): Pick<Case, 'call' | 'wait'> =>
    started(`${training}/StartTraining`, {
      operationId: files.id(`training-${name}`),
      ...{ model, dataset: trainRows, options: { maxSteps: 1 }, ...more },
    });
  const plain = { method: 'COMPRESSION_METHOD_SVD' };
  const noGrams = files.safetensors([floats('a', [1])], { format: 'pt' });
  const moments = files.safetensors(
    ['parameters', 'firstMoment', 'secondMoment'].map((name) => floats(name, [0])),
    { emloc_checkpoint: JSON.stringify({ formatVersion: 1, step: 1, updates: 1, modules: ['a'] }) },
  );
  const nan = files.model({}, {}, (all) =>
    all.map((tensor) =>
      tensor.name === 'model.norm.weight' ? floats(tensor.name, new Array<number>(64).fill(NaN)) : tensor,
    ),
  );
  const invalid = { code: 'INVALID_ARGUMENT' } as const;
  const begun = { adapterInit: { path: fixtureAdapter } };
  return [
    {
      reason: 'SHARD_EMPTY',
      ...invalid,
      field: 'options.shard_count',
      value: '8',
      call: call(`${calibration}/Calibrate`, {
        model,
        options: { dataset: trainRows, samples: 1, shardIndex: 7, shardCount: 8 },
      }),
    },
    {
      reason: 'BAD_STATISTICS',
      ...invalid,
      field: 'statistics',
      value: noGrams.path,
      ...compresses('statistics', { options: { ratio: 0.5 }, statistics: { source: noGrams } }),
    },
    {
      reason: 'PATTERN_MATCHES_NOTHING',
      ...invalid,
      field: 'ratios[nothing]',
      value: 'nothing',
      ...compresses('pattern', { options: { ...plain, ratios: [{ pattern: 'nothing', ratio: 0.5 }] } }),
    },
    {
      reason: 'RANK_ZERO',
      ...invalid,
      field: 'ratio',
      value: '0.001',
      ...compresses('rank', { options: { ...plain, ratio: 0.001 } }),
    },
    {
      reason: 'OPTIMIZER_MISMATCH',
      ...invalid,
      field: 'optimizer_init',
      ...trains('optimizer', { ...begun, optimizerInit: moments }),
    },
    {
      reason: 'BAD_CHECKPOINT',
      ...invalid,
      field: 'optimizer_init',
      value: noGrams.path,
      ...trains('checkpoint', { ...begun, optimizerInit: noGrams }),
    },
    {
      reason: 'LOSS_NOT_FINITE',
      code: 'FAILED_PRECONDITION',
      field: 'loss',
      value: 'NaN',
      ...trains('loss', { model: nan }),
    },
  ];
}
