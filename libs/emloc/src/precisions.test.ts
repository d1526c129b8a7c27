/**
 * Every architecture through every stage in every type that checkpoints are stored in. The golden numbers
 * (golden.test.ts) are of one type an architecture; here a stage must do in the others what it does in float32, as near
 * as the type's rounding lets it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, cast, startEngine } from '@emloc/engine';
import { greedyContinue, openModel, openWeights, plainLinears } from '@emloc/models';
import { readSafetensorsHeader, writeSafetensors } from '@emloc/tensor-stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { StoredWeights } from './directory/stored-weights.ts';
import {
  calibrateLayers,
  compressModel,
  correctAdapter,
  decoderLinears,
  evaluate,
  LoraAdapter,
  mergeModel,
  parseTrainingOptions,
  train,
} from './index.ts';
import { GoldenFixture, goldenFixtures, temporaryDirectory } from './testing/fixture.ts';

beforeAll(() => startEngine());

type Stored = 'f32' | 'f16' | 'bf16';
const torchNames = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' } as const;
/** Of a loss: what rounding weights of these tiny models to the type may change. */
const tolerance = { f32: 1e-6, f16: 5e-3, bf16: 4e-2 } as const;

/** The fixture's model with its weights in another type. */
const modelIn = (fixture: GoldenFixture, dtype: Stored): string => {
  const dir = temporaryDirectory();
  const model = openModel(fixture.dir);
  const stored = new StoredWeights(model);
  const tensors = [...model.tensors.keys()].map((name) => {
    using weight = stored.read(name);
    using converted = cast(weight, dtype);
    return { name, dtype, shape: [...weight.shape], bytes: Uint8Array.from(bytesOf(converted)) };
  });
  writeSafetensors(join(dir, 'model.safetensors'), tensors, { format: 'pt' });
  const config = JSON.parse(readFileSync(join(fixture.dir, 'config.json'), 'utf8')) as object;
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...config, dtype: torchNames[dtype] }));
  return dir;
};

/** Losses of each stage's result on the rows it was trained with, and what is generated. */
const throughAllStages = async (fixture: GoldenFixture, dtype: Stored) => {
  const dir = modelIn(fixture, dtype);
  const work = temporaryDirectory();
  const [emulatorDir, mergedDir] = [join(work, 'emulator'), join(work, 'merged')];
  const model = openModel(dir);
  expect(model.config.dtype).toBe(dtype);
  const rows = fixture.trainBatches()[0]!;
  const lossOf = async (of: string, adapter?: LoraAdapter): Promise<number> => {
    const source = openWeights(openModel(of), { mode: 'streamed' });
    try {
      return (await evaluate(source, adapter, rows)).loss;
    } finally {
      source.close();
    }
  };

  const original = openWeights(model, { mode: 'streamed' });
  const grams = calibrateLayers(original, fixture.calibrationRows());
  await compressModel({ model, grams, ratios: { ratios: fixture.expected.compress }, out: emulatorDir });
  const [made] = await greedyContinue(original, (_, w) => plainLinears(w), [[5, 6, 7]], { maxNewTokens: 3 });
  original.close();

  const emulator = openModel(emulatorDir);
  using adapter = LoraAdapter.initialize(
    decoderLinears(model),
    { r: 2, loraAlpha: 4, loraDropout: 0, targetModules: 'all-linear' },
    1,
  );
  const source = openWeights(emulator, { mode: 'resident' });
  const { losses } = await train({
    source,
    adapter,
    plan: fixture.plan(2),
    options: parseTrainingOptions({ max_steps: 3, learning_rate: 1e-3 }),
  });
  source.close();
  const [correction] = await correctAdapter({ original: model, emulator, adapter });
  using corrected = correction!.adapter;
  await mergeModel({ model, adapter: corrected, out: mergedDir });
  return {
    made,
    emulatorDtype: emulator.config.dtype,
    mergedDtypes: new Set(
      [...readSafetensorsHeader(join(mergedDir, 'model.safetensors')).tensors.values()].map((t) => t.dtype),
    ),
    losses: {
      original: await lossOf(dir),
      emulator: await lossOf(emulatorDir),
      firstStep: losses[0]!,
      trained: await lossOf(emulatorDir, adapter),
      corrected: await lossOf(dir, corrected),
      merged: await lossOf(mergedDir),
    },
  };
};

describe.each(goldenFixtures)('%s', (name) => {
  test.each(['f16', 'bf16'] as const)(
    'stored as %s, every stage does what it does in f32',
    async (dtype) => {
      const fixture = new GoldenFixture(name);
      const wide = await throughAllStages(fixture, 'f32');
      const narrow = await throughAllStages(fixture, dtype);
      expect(wide.made).toHaveLength(3);
      expect(narrow.made).toHaveLength(3);
      expect([narrow.emulatorDtype, ...narrow.mergedDtypes]).toEqual([dtype, dtype]);
      for (const [stage, loss] of Object.entries(wide.losses)) {
        const found = narrow.losses[stage as keyof typeof wide.losses];
        expect(Math.abs(found / loss - 1), stage).toBeLessThan(tolerance[dtype]);
      }
      for (const [of, { losses }] of [
        ['f32', wide],
        [dtype, narrow],
      ] as const)
        expect(Math.abs(losses.merged / losses.corrected - 1), `merged, ${of}`).toBeLessThan(tolerance[of]);
    },
    120_000,
  );
});
