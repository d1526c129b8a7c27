/** What emloc writes, the Python libraries load as it is, and compute the same with it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  distance,
  goldenTensors,
  matrix,
  tinyLlama,
  Workplace,
  writeCalibrationData,
  writeInitialAdapter,
  writeTrainingData,
  type Matrix,
} from '@emloc/e2e';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { figures, python, withoutPython } from './python.ts';

const name =
  python === undefined ? `PEFT and transformers (skipped: ${withoutPython})` : 'PEFT and transformers';

describe.skipIf(python === undefined)(name, () => {
  const work = new Workplace();
  const data = work.path('train.jsonl');
  const probe = (JSON.parse(readFileSync(join(tinyLlama, 'probe.json'), 'utf8')) as { ids: number[] }).ids;

  let down: () => Promise<void>;

  beforeAll(async () => {
    down = await work.up();
    writeTrainingData(data);
    writeCalibrationData(work.path('calib.jsonl'));
    mkdirSync(work.path('initial'));
    writeInitialAdapter(work.path('initial'));
    const model = ['--model', tinyLlama];
    await work.json(
      'calibrate',
      ...model,
      '--data',
      work.path('calib.jsonl'),
      '--samples',
      '8',
      '--output',
      work.path('grams'),
    );
    await work.json(
      'compress',
      ...model,
      '--statistics',
      work.path('grams'),
      '--ratio',
      '0.5',
      '--output',
      work.path('emulator'),
    );
    await work.json(
      ...[
        'train',
        '--emulator',
        work.path('emulator'),
        '--data',
        data,
        '--adapter-init',
        work.path('initial'),
      ],
      ...['--no-shuffle', '--max-steps', '20', '--batch-size', '4', '--gradient-accumulation-steps', '1'],
      ...[
        '--learning-rate',
        '1e-3',
        '--lr-scheduler-type',
        'constant',
        '--weight-decay',
        '0',
        '--max-grad-norm',
        '0',
      ],
      ...['--output', work.path('trained')],
    );
    await work.json(
      ...['correct', ...model, '--emulator', work.path('emulator'), '--adapter', work.path('trained')],
      ...['--output', work.path('corrected')],
    );
    await work.json('merge', ...model, '--adapter', work.path('corrected'), '--output', work.path('merged'));
  });

  afterAll(async () => {
    await down();
    await work.dispose();
  });

  const golden = (tensor: string): Matrix => matrix(goldenTensors, tensor);
  const asMatrix = (logits: readonly number[]): Matrix => ({
    rows: probe.length,
    columns: 256,
    values: Float32Array.from(logits),
  });

  test.each([
    ['trained', 'logits.merged_uncorrected'],
    ['corrected', 'logits.merged'],
  ])(
    'PEFT loads the %s adapter: the logits are golden, and its loss is that of emloc evaluate',
    async (adapter, tensor) => {
      const found = figures(tinyLlama, work.path(adapter), probe, data);
      expect(distance(asMatrix(found.logits), golden(tensor))).toBeLessThan(1e-3);
      const ours = await work.json(
        'evaluate',
        '--model',
        tinyLlama,
        '--adapter',
        work.path(adapter),
        '--data',
        data,
      );
      expect(ours['loss']).toBeCloseTo(found.loss, 4);
    },
  );

  test('transformers loads the merged model: the logits are golden, and its loss is that of emloc evaluate', async () => {
    const found = figures(work.path('merged'), undefined, probe, data);
    expect(distance(asMatrix(found.logits), golden('logits.merged'))).toBeLessThan(1e-3);
    const ours = await work.json('evaluate', '--model', work.path('merged'), '--data', data);
    expect(ours['loss']).toBeCloseTo(found.loss, 4);
  });
});
