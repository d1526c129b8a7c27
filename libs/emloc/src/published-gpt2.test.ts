/** GPT-2 as it was published: names without `transformer.`, and the causal masks stored beside the weights. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startEngine, tidy, toFloat64Array } from '@emloc/engine';
import { forwardPass, logitsOf, openModel, openWeights, prepareBatch } from '@emloc/models';
import { readSafetensorsHeader, readTensorBytes, writeSafetensors } from '@emloc/tensor-stream';
import { beforeAll, expect, test } from 'vitest';
import {
  adapterLinears,
  calibrateLayers,
  compressModel,
  decoderLinears,
  loadAdapter,
  mergeModel,
  openAdapter,
} from './index.ts';
import { GoldenFixture, maxRelative, temporaryDirectory } from './testing/fixture.ts';

beforeAll(() => startEngine());

const fixture = new GoldenFixture('tiny-gpt2');
const floor = (quantity: string): number =>
  fixture.expected.relativeDifferenceF32vsF64[quantity]?.maxAbsOverMax ?? 0;

function published(dir: string): string {
  mkdirSync(dir);
  copyFileSync(join(fixture.dir, 'config.json'), join(dir, 'config.json'));
  const file = readSafetensorsHeader(join(fixture.dir, 'model.safetensors'));
  const weights = [...file.tensors.values()].map(({ name, dtype, shape }) => ({
    name: name.replace(/^transformer\./, ''),
    dtype,
    shape,
    bytes: readTensorBytes(file, name),
  }));
  const masks = [0, 1].map((layer) => ({
    name: `h.${layer}.attn.bias`,
    dtype: 'f32' as const,
    shape: [1, 1, 2, 2],
    bytes: new Uint8Array(Float32Array.of(1, 0, 1, 1).buffer),
  }));
  writeSafetensors(join(dir, 'model.safetensors'), [...weights, ...masks], { format: 'pt' });
  return dir;
}

async function logits(dir: string): Promise<Float64Array> {
  const source = openWeights(openModel(dir), { mode: 'streamed' });
  const batch = prepareBatch(source, [fixture.probe()]);
  const { hidden, dispose } = await forwardPass(source, [batch], adapterLinears(source, undefined));
  try {
    return source.withHead((head) => tidy(() => toFloat64Array(logitsOf(source, hidden[0]!, head))));
  } finally {
    dispose();
    batch.dispose();
    source.close();
  }
}

test('it opens, is compressed and merged, and what is written keeps its names and the way its weights lie', async () => {
  const work = temporaryDirectory();
  const dir = published(join(work, 'gpt2'));
  expect(maxRelative(await logits(dir), fixture.tensor('logits.full'))).toBeLessThan(
    10 * floor('logits.full'),
  );

  const model = openModel(dir);
  const source = openWeights(model, { mode: 'streamed' });
  const grams = calibrateLayers(source, fixture.calibrationRows());
  const emulator = join(work, 'emulator');
  await compressModel({ model, grams, ratios: { ratio: 0.5 }, out: emulator });
  source.close();
  expect(maxRelative(await logits(emulator), fixture.tensor('logits.emulator'))).toBeLessThan(
    10 * floor('logits.emulator'),
  );

  using adapter = loadAdapter(openAdapter(join(fixture.dir, 'adapter-corrected')), decoderLinears(model));
  const out = join(work, 'merged');
  await mergeModel({ model, adapter, out });
  const shapes = (of: string) =>
    [...readSafetensorsHeader(join(of, 'model.safetensors')).tensors].map(([name, { shape }]) => [
      name,
      shape,
    ]);
  expect(shapes(out)).toEqual(shapes(dir));
  expect(maxRelative(await logits(out), fixture.tensor('logits.merged'))).toBeLessThan(
    10 * floor('logits.merged'),
  );
});
