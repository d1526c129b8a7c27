import { keep, startEngine, tensor, tidy, toFloat64Array } from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { forwardPass, logitsOf, openModel, openWeights, plainLinears, prepareBatch } from './index.ts';
import { fixtureJson, golden, maxRelative, tinyLlama } from './testing/fixture.ts';
import type { LayerWeights, WeightSource } from './types.ts';

beforeAll(() => startEngine());

const { ids } = fixtureJson<{ ids: number[] }>('probe.json');

const probeLogits = async (source: WeightSource, wrap = (w: LayerWeights, _layer: number) => w) => {
  const batch = prepareBatch(source, [{ inputIds: ids }], source.activationDtype);
  const { hidden, dispose } = await forwardPass(source, [batch], (layer, w) => plainLinears(wrap(w, layer)));
  const logits = source.withHead((head) => tidy(() => toFloat64Array(logitsOf(source, hidden[0]!, head))));
  dispose();
  batch.dispose();
  return logits;
};

describe.each(['resident', 'streamed'] as const)('tiny-llama, %s', (mode) => {
  test('logits are those of PyTorch in float64', async () => {
    const source = openWeights(openModel(tinyLlama), { mode });
    const logits = await probeLogits(source);
    source.close();
    expect(maxRelative(logits, golden('logits.full').values)).toBeLessThan(10 * 2.4e-6);
  });

  test('in float64 they agree to the rounding of the golden file', async () => {
    const source = openWeights(openModel(tinyLlama), { mode, computeDtype: 'f64' });
    const logits = await probeLogits(source);
    source.close();
    expect(maxRelative(logits, golden('logits.full').values)).toBeLessThan(1e-7);
  });
});

test('the emulator (golden products in place of the weights) gives the golden logits', async () => {
  const source = openWeights(openModel(tinyLlama), { mode: 'resident' });
  const made: { dispose(): void }[] = [];
  const logits = await probeLogits(source, (w, layer) => ({
    matrixDtype: 'f32',
    tensor: (name) => w.tensor(name),
    stored: (name) => w.stored(name),
    derived: (owner, name, make) => w.derived(owner, name, make),
    linear: (name) => {
      const { values, shape } = golden(`wprime.model.layers.${layer}.${name}`);
      const weight = keep(tensor(values, shape));
      made.push(weight);
      return { kind: 'full', weight };
    },
  }));
  made.forEach((t) => t.dispose());
  source.close();
  expect(maxRelative(logits, golden('logits.emulator').values)).toBeLessThan(10 * 3.1e-5);
});
