import { liveTensors, matmul, startEngine, tidy, toFloat64Array } from '@emloc/engine';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openModel } from '../directory/open-model.ts';
import { plainLinears } from '../layers/linear.ts';
import { forwardPass } from '../model-pass.ts';
import { headLoss, logitsOf } from '../head.ts';
import { prepareBatch } from '../batch.ts';
import { goldenFixtures, maxRelative, random } from '../testing/fixture.ts';
import { folderTensor, ModelFolder, tinyTensors } from '../testing/model-folder.ts';
import type { WeightSource } from '../types.ts';
import { openWeights } from './open-weights.ts';

beforeAll(() => startEngine());

const logits = async (source: WeightSource): Promise<Float64Array> => {
  const batch = prepareBatch(source, [{ inputIds: [1, 5, 9, 40] }], source.activationDtype);
  const forward = await forwardPass(source, [batch], (_, w) => plainLinears(w));
  const result = source.withHead((head) =>
    tidy(() => toFloat64Array(logitsOf(source, forward.hidden[0]!, head))),
  );
  forward.dispose();
  batch.dispose();
  return result;
};

test('what is converted stays converted where that is asked for, and gives the same logits', async () => {
  using folder = new ModelFolder();
  folder.weights(tinyTensors(folder.config, 'bf16'));
  const model = openModel(folder.dir);
  const numbers = async (keepConverted: boolean) => {
    const source = openWeights(model, { mode: 'resident', computeDtype: 'f32', keepConverted });
    const before = liveTensors().count;
    const first = await logits(source);
    const kept = liveTensors().count - before;
    const second = await logits(source);
    expect(liveTensors().count - before).toBe(kept);
    source.close();
    expect(liveTensors().count).toBe(before);
    expect([...second]).toEqual([...first]);
    return { first, kept };
  };
  const [kept, anew] = [await numbers(true), await numbers(false)];
  expect([...kept.first]).toEqual([...anew.first]);
  expect(kept.kept).toBeGreaterThan(anew.kept);
});

test.each(['bf16', 'f32'] as const)(
  'the output matrix in parts gives the loss that it gives whole (%s)',
  (dtype) => {
    using folder = new ModelFolder();
    folder.weights(tinyTensors(folder.config, dtype));
    const model = openModel(folder.dir);
    const labels = Int32Array.from([3, 1, 4]);
    const lossOf = (mode: 'resident' | 'streamed', sliceBytes?: number) => {
      const source = openWeights(model, { mode, computeDtype: 'f32' });
      const result = tidy(() => {
        const h = random([3, model.config.hiddenSize], 1, 'f32');
        return source.withHead((head) => {
          const { logProbs, dh } = headLoss(source, h, labels, head, { gradientScale: 1, sliceBytes });
          return [...logProbs, ...toFloat64Array(dh!)];
        });
      });
      source.close();
      return result;
    };
    const whole = lossOf('resident');
    // Some 5 rows of the matrix at a time.
    const parts = lossOf('streamed', 5 * 4 * model.config.hiddenSize);
    expect(maxRelative(parts, whole)).toBeLessThan(1e-5);
  },
);

test('weights that stay converted do so for experts, too, whose scopes end what others convert', () => {
  const moe = openModel(goldenFixtures.find((dir) => dir.endsWith('tiny-mixtral'))!);
  const weightsOf = (keepConverted: boolean) => {
    const source = openWeights(moe, { mode: 'resident', computeDtype: 'f64', keepConverted });
    const visit = () =>
      source.withLayer(0, (w) =>
        w.scoped(() => {
          const name = moe.architecture.linears(moe.config, 0).find(({ routed }) => routed)!.name;
          const linear = w.linear(name);
          if (linear.kind !== 'full') throw new Error('it is factored');
          return linear.weight;
        }),
      );
    const weights = [visit(), visit()] as const;
    const alive = weights.map(({ disposed }) => !disposed);
    source.close();
    return { same: weights[0] === weights[1], alive, ended: weights.every(({ disposed }) => disposed) };
  };
  expect(weightsOf(true)).toEqual({ same: true, alive: [true, true], ended: true });
  expect(weightsOf(false)).toEqual({ same: false, alive: [false, false], ended: true });
});

describe.each(['resident', 'streamed'] as const)('%s weights', (mode) => {
  test('sharded and single, untied and biased: the same logits', async () => {
    const changes = { tie_word_embeddings: false, attention_bias: true, mlp_bias: true };
    using whole = new ModelFolder(changes).weights();
    using shards = new ModelFolder(changes).sharded();
    const results: Float64Array[] = [];
    for (const { dir } of [whole, shards]) {
      const source = openWeights(openModel(dir), { mode });
      results.push(await logits(source));
      source.close();
    }
    expect([...results[1]!]).toEqual([...results[0]!]);
  });

  test('bf16 checkpoints multiply as the numbers that they stand for', async () => {
    using folder = new ModelFolder();
    folder.weights(tinyTensors(folder.config, 'bf16'));
    const model = openModel(folder.dir);
    expect(model.config.dtype).toBe('bf16');
    const results: Float64Array[] = [];
    for (const computeDtype of [undefined, 'f32', 'f64'] as const) {
      const source = openWeights(model, { mode, computeDtype });
      expect(source.computeDtype).toBe(computeDtype ?? 'bf16');
      results.push(await logits(source));
      source.close();
    }
    expect(maxRelative(results[1]!, results[2]!)).toBeLessThan(1e-5);
    expect(maxRelative(results[0]!, results[2]!)).toBeLessThan(2e-2);
  });

  test('factors multiply as their product does', async () => {
    using folder = new ModelFolder();
    const module = 'model.layers.1.mlp.gate_proj';
    folder
      .weights([
        ...tinyTensors(folder.config).filter(({ name }) => name !== `${module}.weight`),
        folderTensor(`${module}.u`, [40, 5], 1),
        folderTensor(`${module}.v`, [5, 32], 2),
      ])
      .json('emloc.json', {
        formatVersion: 1,
        original: { name: 'tiny', digest: `sha256:${'0'.repeat(64)}` },
        method: 'svd',
        ratios: {},
        modules: {},
      });
    const source = openWeights(openModel(folder.dir), { mode, computeDtype: 'f64' });
    source.withLayer(1, (w) => {
      const linear = w.linear('mlp.gate_proj');
      if (linear.kind !== 'factored') throw new Error('it is full');
      const { forward, backward } = plainLinears(w);
      tidy(() => {
        const product = matmul(linear.u, linear.v);
        const x = random([3, 32], 1);
        const dy = random([3, 40], 2);
        const y = toFloat64Array(forward('mlp.gate_proj', x));
        expect(maxRelative(y, toFloat64Array(matmul(x, product, { transposeB: true })))).toBeLessThan(1e-12);
        const dx = toFloat64Array(backward('mlp.gate_proj', x, dy));
        expect(maxRelative(dx, toFloat64Array(matmul(dy, product)))).toBeLessThan(1e-12);
      });
    });
    source.close();
  });

  test('nothing of them is left when they are closed', async () => {
    using folder = new ModelFolder();
    folder.weights(tinyTensors(folder.config, 'bf16'));
    const before = liveTensors().count;
    const source = openWeights(openModel(folder.dir), { mode });
    await logits(source);
    if (mode === 'streamed') expect(liveTensors().count).toBe(before);
    source.close();
    expect(liveTensors().count).toBe(before);
    expect(() => source.withLayer(0, () => 0)).toThrow('are closed');
  });

  test('a file that shrinks while it is used is an error, not the end of the process', async () => {
    using folder = new ModelFolder().weights();
    const source = openWeights(openModel(folder.dir), { mode });
    const use = (): unknown =>
      source.withLayer(1, (w) => {
        const linear = w.linear('mlp.up_proj');
        return linear.kind === 'full' && linear.weight.shape;
      });
    use();
    truncateSync(join(folder.dir, 'model.safetensors'), 9000);
    expect(use).toThrow(/shrank|has 9000|9000/);
    source.close();
  });
});
