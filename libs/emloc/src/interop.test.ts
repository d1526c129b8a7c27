/**
 * What is written is what transformers and PEFT read: equal logits. Needs a Python with torch, transformers and peft
 * (EMLOC_TEST_PYTHON, else python3); without one the test is shown as skipped.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEngine, tidy, toFloat64Array, type Tensor } from '@emloc/engine';
import { forwardPass, logitsOf, openModel, openWeights, prepareBatch } from '@emloc/models';
import { expect, test } from 'vitest';
import { adapterLinears, decoderLinears, LoraAdapter, mergeModel, saveAdapter } from './index.ts';
import {
  GoldenFixture,
  goldenFixtures,
  maxRelative,
  randomNumbers,
  temporaryDirectory,
} from './testing/fixture.ts';

const python = process.env['EMLOC_TEST_PYTHON'] ?? 'python3';
const script = fileURLToPath(new URL('../../../tests/reference/interop.py', import.meta.url));
const found = spawnSync(python, ['-c', 'import torch, transformers, peft'], { timeout: 60_000 }).status === 0;

/** Of a model with experts in some layers and none in others, PEFT 0.21 passes over the latter's MLP: only its merged model counts. */
const passedOver = 'tiny-qwen3-moe';

test.skipIf(!found).each(goldenFixtures)(
  '%s: PEFT and transformers give our logits (skipped without torch, transformers, peft)',
  async (name) => {
    await startEngine();
    const fixture = new GoldenFixture(name);
    const model = openModel(fixture.dir);
    const directory = temporaryDirectory();
    const settings = { r: 3, loraAlpha: 12, loraDropout: 0, targetModules: 'all-linear' };
    using fresh = LoraAdapter.initialize(decoderLinears(model), settings, 1);
    const values = randomNumbers(fresh.layout.size, 3).map((x) => 0.05 * x);
    using adapter = LoraAdapter.fromValues(settings, fresh.layout, values);
    const history = { original: await model.digest(), correction: { method: 'none', strength: 1.25 } };
    await saveAdapter(adapter, join(directory, 'adapter'), { baseModel: fixture.dir, history });
    await mergeModel({ model, adapter, out: join(directory, 'merged') });

    const source = openWeights(model, { mode: 'resident', computeDtype: 'f32' });
    const batch = prepareBatch(source, [fixture.probe()]);
    const { hidden, dispose } = await forwardPass(source, [batch], adapterLinears(source, adapter));
    const ours = source.withHead((head) =>
      tidy(() => toFloat64Array(logitsOf(source, hidden[0] as Tensor, head))),
    );
    dispose();
    batch.dispose();
    source.close();

    const ids = JSON.stringify(fixture.probe().inputIds);
    const args = [script, fixture.dir, ids, join(directory, 'adapter'), join(directory, 'merged')];
    const run = spawnSync(python, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
    expect(run.status, run.stderr).toBe(0);
    const theirs = JSON.parse(run.stdout) as { adapter: number[]; merged: number[]; scale: number[] };
    // A checkpoint of a narrower type rounds what is merged into it.
    const rounds = fixture.expected.storedDtype === 'bfloat16';
    expect(maxRelative(ours, theirs.merged)).toBeLessThan(rounds ? 2e-2 : 1e-5);
    if (name === passedOver) return;
    expect(theirs.scale).toContain(4);
    expect(maxRelative(ours, theirs.adapter)).toBeLessThan(1e-5);
  },
);
