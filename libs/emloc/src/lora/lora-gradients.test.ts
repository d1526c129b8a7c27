/** Gradients of A and B through whole models, in float64, against central differences. */
import { join } from 'node:path';
import { liveTensors, startEngine, tensor, tidy, toFloat64Array } from '@emloc/engine';
import { openModel, openWeights, type TokenRow, type WeightSource } from '@emloc/models';
import { beforeAll, describe, expect, test } from 'vitest';
import { calibrateLayers } from '../calibration/calibrate-layers.ts';
import { compressModel } from '../compression/compress-model.ts';
import { decoderLinears } from '../decoder-linears.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { randomNumbers, temporaryDirectory } from '../testing/fixture.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { stepGradient } from '../training/step-gradient.ts';
import { LoraAdapter } from './lora-adapter.ts';
import { LoraGradients } from './lora-gradients.ts';
import { loraLinears } from './lora-linears.ts';

beforeAll(() => startEngine());

const rows: TokenRow[] = [
  { inputIds: [1, 5, 9, 3, 7], labels: [-100, -100, 9, 3, 7] },
  { inputIds: [1, 8, 2], labels: [-100, 8, 2] },
  { inputIds: [4, 4, 6, 30, 11, 2, 17], labels: [-100, -100, -100, 30, 11, -100, 17] },
];

/** Both factors away from zero, so that each has a gradient. */
function randomAdapter(source: WeightSource, loraDropout = 0): LoraAdapter {
  const settings = { r: 3, loraAlpha: 6, loraDropout, targetModules: 'all-linear' };
  using fresh = LoraAdapter.initialize(decoderLinears(source), settings, 1, 'f64');
  const values = randomNumbers(fresh.layout.size, 5).map((x) => 0.2 * x);
  return LoraAdapter.fromValues(settings, fresh.layout, values, 'f64');
}

async function gradientOf(
  source: WeightSource,
  adapter: LoraAdapter,
  micro: TokenRow[][],
): Promise<Float64Array> {
  using gradients = new LoraGradients(adapter.layout, 'f64');
  await stepGradient({ source, adapter, gradients, microBatches: micro, step: 3, seed: 7 });
  using flat = gradients.take();
  return toFloat64Array(flat);
}

const shifted = (adapter: LoraAdapter, direction: Float64Array, by: number): LoraAdapter =>
  LoraAdapter.fromValues(
    adapter.settings,
    adapter.layout,
    adapter.values().map((x, i) => x + by * (direction[i] ?? 0)),
    'f64',
  );

/** The largest error in a few random directions, beside the gradient's norm. */
async function gradientError(
  adapter: LoraAdapter,
  gradient: Float64Array,
  loss: (a: LoraAdapter) => Promise<number>,
) {
  const h = 1e-5;
  let worst = 0;
  for (let trial = 0; trial < 5; trial += 1) {
    const direction = randomNumbers(gradient.length, 50 + trial);
    using up = shifted(adapter, direction, h);
    using down = shifted(adapter, direction, -h);
    const numeric = ((await loss(up)) - (await loss(down))) / (2 * h);
    const analytic = direction.reduce((sum, d, i) => sum + d * (gradient[i] ?? 0), 0);
    worst = Math.max(
      worst,
      Math.abs(numeric - analytic) / (Math.hypot(...gradient) * Math.hypot(...direction)),
    );
  }
  return worst;
}

describe('gradients of the adapter', () => {
  test('agree with finite differences on full and on factored weights, at once or in micro-batches', async () => {
    const before = liveTensors().count;
    const directory = temporaryDirectory();
    const full = openModel(writeTinyModel(join(directory, 'model'), { layers: 2 }));
    const original = openWeights(full, { mode: 'streamed', computeDtype: 'f64' });
    const grams = calibrateLayers(original, rows);
    await compressModel({ model: full, grams, ratios: { ratio: 0.6 }, out: join(directory, 'emulator') });
    const emulator = openWeights(openModel(join(directory, 'emulator')), {
      mode: 'resident',
      computeDtype: 'f64',
    });
    for (const source of [original, emulator]) {
      using adapter = randomAdapter(source);
      const whole = await gradientOf(source, adapter, [rows]);
      const error = await gradientError(adapter, whole, async (a) => (await evaluate(source, a, rows)).loss);
      expect(error).toBeLessThan(1e-8);
      const parts = await gradientOf(source, adapter, [rows.slice(0, 1), rows.slice(1)]);
      parts.forEach((value, i) => expect(value).toBeCloseTo(whole[i] ?? NaN, 12));
      source.close();
    }
    expect(liveTensors().count).toBe(before);
  });

  test('see the same dropout masks forward, recomputed and backward', async () => {
    const model = openModel(writeTinyModel(join(temporaryDirectory(), 'model')));
    const source = openWeights(model, { mode: 'resident', computeDtype: 'f64' });
    using adapter = randomAdapter(source, 0.3);
    const gradient = await gradientOf(source, adapter, [rows]);
    const lossWithDropout = async (a: LoraAdapter): Promise<number> => {
      using gradients = new LoraGradients(a.layout, 'f64');
      return (await stepGradient({ source, adapter: a, gradients, microBatches: [rows], step: 3, seed: 7 }))
        .loss;
    };
    expect(await gradientError(adapter, gradient, lossWithDropout)).toBeLessThan(1e-8);
    expect(await lossWithDropout(adapter)).not.toBe((await evaluate(source, adapter, rows)).loss);
    source.close();
  });
});

test('folded into the weights or beside them, an adapter gives the same outputs and gradients', async () => {
  const directory = temporaryDirectory();
  const full = openModel(writeTinyModel(join(directory, 'model'), { layers: 1 }));
  const source = openWeights(full, { mode: 'streamed', computeDtype: 'f64' });
  const emulator = join(directory, 'emulator');
  const grams = calibrateLayers(source, rows);
  await compressModel({ model: full, grams, ratios: { ratio: 0.6 }, out: emulator });
  const factored = openWeights(openModel(emulator), { mode: 'streamed', computeDtype: 'f64' });
  const before = liveTensors().count;
  for (const weights of [source, factored]) {
    using adapter = randomAdapter(weights);
    const results = [true, false].map((fold) =>
      weights.withLayer(0, (layer) => {
        using gradients = new LoraGradients(adapter.layout, 'f64');
        const moduleName = (linear: string) => weights.architecture.moduleName(0, linear);
        const linears = loraLinears(layer, adapter, { moduleName, gradients, fold, strength: 1.5 });
        return tidy(() =>
          ['self_attn.k_proj', 'mlp.down_proj'].flatMap((name) => {
            const { a, b } = adapter.factors(moduleName(name))!;
            const x = tensor(randomNumbers(4 * a.shape[1]!, 1), [4, a.shape[1]!], 'f64');
            const dy = tensor(randomNumbers(4 * b.shape[0]!, 2), [4, b.shape[0]!], 'f64');
            const found = [linears.forward(name, x), linears.backward(name, x, dy), gradients.take()];
            return found.flatMap((t) => [...toFloat64Array(t)]);
          }),
        );
      }),
    );
    const [folded = [], beside = []] = results;
    const scale = Math.max(...beside.map(Math.abs));
    expect(folded).toHaveLength(beside.length);
    expect(Math.max(...folded.map((x, i) => Math.abs(x - (beside[i] ?? NaN)))) / scale).toBeLessThan(1e-12);
  }
  expect(liveTensors().count).toBe(before);
  source.close();
  factored.close();
});
