import {
  keep,
  liveTensors,
  startEngine,
  streamCount,
  tensor,
  tidy,
  toFloat64Array,
  usableCores,
  type Tensor,
} from '@emloc/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  backwardPass,
  forwardPass,
  linearBackward,
  linearForward,
  lossPass,
  mapSideBySide,
  openModel,
  openWeights,
  plainLinears,
  prepareBatch,
} from './index.ts';
import { fixtureJson, maxRelative, tinyLlama } from './testing/fixture.ts';
import type { Batch, Linears, LinearsFor, TokenRow, WeightSource } from './types.ts';

const train = fixtureJson<{ batches: { ids: number[]; labels: number[] }[][] }>('train.json');
const rows: TokenRow[] = train.batches[0]!.map(({ ids, labels }) => ({ inputIds: ids, labels }));
const plain: LinearsFor = (_, w) => plainLinears(w);

const sources: WeightSource[] = [];
const open = (mode: 'resident' | 'streamed'): WeightSource => {
  const source = openWeights(openModel(tinyLlama), { mode, computeDtype: 'f64' });
  sources.push(source);
  return source;
};
beforeAll(() => startEngine());
afterAll(() => sources.forEach((s) => s.close()));

/**
 * Plain linears, with a number t added to every output of one linear: the derivative of the loss by t is the sum of
 * that linear's dy, which is what a whole backward pass can be held to.
 */
const shifted =
  (linear: string, atLayer: number, t: number, onGradient: (sum: number) => void): LinearsFor =>
  (layer, w): Linears => ({
    forward: (name, x) => {
      const weights = w.linear(name);
      if (layer !== atLayer || name !== linear) return linearForward(weights, x);
      const bias = keep(tensor([t], [1], 'f64'));
      const y = linearForward({ ...weights, bias }, x);
      bias.dispose();
      return y;
    },
    backward: (name, _x, dy) => {
      if (layer === atLayer && name === linear) onGradient(toFloat64Array(dy).reduce((a, b) => a + b, 0));
      return linearBackward(w.linear(name), dy);
    },
  });

const lossOf = async (source: WeightSource, batches: Batch[], linearsFor: LinearsFor): Promise<number> => {
  const forward = await forwardPass(source, batches, linearsFor);
  const { lossSum } = lossPass(source, batches, forward.hidden);
  forward.dispose();
  return lossSum;
};

const wholeStep = async (
  source: WeightSource,
  batches: Batch[],
  linearsFor: LinearsFor,
  keepOutputs: readonly string[] = [],
) => {
  const forward = await forwardPass(source, batches, linearsFor, { keepInputs: true, keepOutputs });
  const loss = lossPass(source, batches, forward.hidden, { gradientScale: 1 });
  forward.hidden.forEach((h) => h.dispose());
  await backwardPass(source, batches, forward.inputs, loss.dHidden, linearsFor);
  return loss;
};

describe('a whole training pass', () => {
  test.each([
    ['self_attn.k_proj', 0],
    ['mlp.up_proj', 1],
    ['self_attn.o_proj', 2],
    ['mlp.down_proj', 3],
  ])('has the gradient of finite differences at %s of layer %i', async (linear, layer) => {
    const source = open('resident');
    const batches = [
      prepareBatch(source, rows.slice(0, 2), 'f64'),
      prepareBatch(source, rows.slice(2), 'f64'),
    ];
    let gradient = 0;
    await wholeStep(
      source,
      batches,
      shifted(linear, layer, 0, (sum) => (gradient += sum)),
    );
    const h = 1e-5;
    const at = (t: number): Promise<number> =>
      lossOf(
        source,
        batches,
        shifted(linear, layer, t, () => {}),
      );
    const numeric = ((await at(h)) - (await at(-h))) / (2 * h);
    batches.forEach((b) => b.dispose());
    expect(Math.abs(gradient - numeric)).toBeLessThan(1e-6 * Math.max(1, Math.abs(numeric)));
  });

  test('gives the same whether weights are resident or streamed, and whatever the micro-batches', async () => {
    const results: { loss: number; gradient: number }[] = [];
    for (const mode of ['resident', 'streamed'] as const)
      for (const parts of [[rows], [rows.slice(0, 3), rows.slice(3)], rows.map((row) => [row])]) {
        const source = open(mode);
        const batches = parts.map((part) => prepareBatch(source, part, 'f64'));
        let gradient = 0;
        const { lossSum } = await wholeStep(
          source,
          batches,
          shifted('mlp.gate_proj', 0, 0, (s) => (gradient += s)),
        );
        results.push({ loss: lossSum, gradient });
        batches.forEach((b) => b.dispose());
      }
    for (const { loss, gradient } of results) {
      expect(Math.abs(loss - results[0]!.loss)).toBeLessThan(1e-10);
      expect(Math.abs(gradient - results[0]!.gradient)).toBeLessThan(1e-10);
    }
  });

  test('gives the same where outputs of linears are kept, which are then not made again', async () => {
    const source = open('streamed');
    const batches = rows.map((row) => prepareBatch(source, [row], 'f64'));
    const before = liveTensors().count;
    const run = async (keepOutputs: readonly string[]) => {
      let gradient = 0;
      const calls: string[] = [];
      await wholeStep(
        source,
        batches,
        (layer, w, micro) => {
          const lin = shifted('self_attn.q_proj', 0, 0, (sum) => (gradient += sum))(layer, w, micro);
          return { ...lin, forward: (name, x) => (calls.push(name), lin.forward(name, x)) };
        },
        keepOutputs,
      );
      return { gradient, calls: calls.length };
    };
    const all = ['q', 'k', 'v', 'o']
      .map((n) => `self_attn.${n}_proj`)
      .concat(['mlp.gate_proj', 'mlp.up_proj']);
    const recomputed = await run([]);
    const kept = await run(all);
    expect(kept.gradient).toBeCloseTo(recomputed.gradient, 12);
    expect([recomputed.calls, kept.calls]).toEqual([4 * 4 * 13, 4 * 4 * 7]);
    expect(liveTensors().count).toBe(before);

    // Broken off with outputs in hand.
    const options = { keepInputs: true, keepOutputs: all };
    const afterLayer = (): void => {
      throw new Error('enough');
    };
    await expect(forwardPass(source, batches, plain, { ...options, afterLayer })).rejects.toThrow('enough');
    (await forwardPass(source, batches, plain, options)).dispose();
    expect(liveTensors().count).toBe(before);
    batches.forEach((b) => b.dispose());
  });

  test('leaves no tensor behind, not even when it is broken off', async () => {
    const source = open('streamed');
    const batches = [prepareBatch(source, rows, 'f64')];
    const before = liveTensors().count;
    await wholeStep(source, batches, plain);
    expect(liveTensors().count).toBe(before);

    const stop = (at: number) => ({
      keepInputs: true,
      afterLayer: (layer: number) => {
        if (layer === at) throw new Error('enough');
      },
    });
    await expect(forwardPass(source, batches, plain, stop(2))).rejects.toThrow('enough');
    expect(liveTensors().count).toBe(before);
    const forward = await forwardPass(source, batches, plain, { keepInputs: true });
    const { dHidden } = lossPass(source, batches, forward.hidden, { gradientScale: 1 });
    forward.hidden.forEach((h) => h.dispose());
    await expect(backwardPass(source, batches, forward.inputs, dHidden, plain, stop(1))).rejects.toThrow(
      'enough',
    );
    expect(liveTensors().count).toBe(before);
    batches.forEach((b) => b.dispose());
  });
});

describe('the loss', () => {
  test('and its gradient are the same in slices and whole', async () => {
    const source = open('resident');
    const batches = [
      prepareBatch(source, rows.slice(0, 3), 'f64'),
      prepareBatch(source, rows.slice(3), 'f64'),
    ];
    const forward = await forwardPass(source, batches, plain);
    const run = (sliceBytes?: number) =>
      lossPass(source, batches, forward.hidden, { gradientScale: 0.5, matches: true, sliceBytes });
    const whole = run();
    const sliced = run(7 * 256 * 8);
    expect(sliced.count).toBe(
      rows.flatMap(({ labels }) => labels!.slice(1)).filter((l) => l !== -100).length,
    );
    expect(sliced.lossSum).toBeCloseTo(whole.lossSum, 10);
    sliced.micro.forEach((m, i) => {
      expect(maxRelative(m.logProbs, whole.micro[i]!.logProbs)).toBeLessThan(1e-12);
      expect([...m.matches!]).toEqual([...whole.micro[i]!.matches!]);
      expect(maxRelative(toFloat64Array(sliced.dHidden[i]!), toFloat64Array(whole.dHidden[i]!))).toBeLessThan(
        1e-12,
      );
    });
    [...whole.dHidden, ...sliced.dHidden].forEach((t: Tensor) => t.dispose());
    forward.dispose();
    batches.forEach((b) => b.dispose());
  });

  test('of rows without labels is nothing, and its gradient zero', async () => {
    const source = open('resident');
    const batches = [prepareBatch(source, [{ inputIds: [1, 2, 3] }], 'f64')];
    const forward = await forwardPass(source, batches, plain);
    const { lossSum, count, dHidden } = lossPass(source, batches, forward.hidden, { gradientScale: 1 });
    expect([lossSum, count]).toEqual([0, 0]);
    expect(toFloat64Array(dHidden[0]!).every((x) => x === 0)).toBe(true);
    dHidden[0]!.dispose();
    forward.dispose();
    batches[0]!.dispose();
  });
});

test('rows that the model cannot take are refused by name and value', () => {
  const model = openModel(tinyLlama);
  const refuse =
    (row: TokenRow): (() => unknown) =>
    () =>
      prepareBatch(model, [{ inputIds: [1] }, row]);
  expect(refuse({ inputIds: [] })).toThrow('a row has no tokens');
  expect(refuse({ inputIds: [1, 256] })).toThrow('token id 256 is not in the model');
  expect(refuse({ inputIds: [1, 2], labels: [1, 999] })).toThrow('label 999 is not in the model');
  expect(refuse({ inputIds: [1, 2], labels: [1] })).toThrow('2 tokens but 1 labels');
  expect(refuse({ inputIds: Array(257).fill(1) })).toThrow('the model takes 256');
});

test('micro-batches side by side give what they give one after the other, bit by bit', () => {
  const source = open('resident');
  const batches = rows.map((row) => prepareBatch(source, [row], 'f64'));
  const { architecture, config } = source;
  const layer = (hiddenSize: number): Float64Array[] =>
    source.withLayer(0, (weights) => {
      const made = mapSideBySide({ hiddenSize }, batches, ({ context, ids }) =>
        tidy(() => {
          const x = source.withEmbedding((ends) =>
            architecture.embed(ends, ids, context.positions, 'f64', config),
          );
          const lin = plainLinears(weights);
          const y = architecture.layerForward(x, weights, lin, context.layer(0), config);
          const dx = architecture.layerBackward(x, y, weights, lin, context.layer(0), config);
          return [keep(y), keep(dx)];
        }),
      ).flat();
      const numbers = made.map(toFloat64Array);
      made.forEach((t) => t.dispose());
      return numbers;
    });
  expect(batches.length).toBeGreaterThan(1);
  expect(streamCount()).toBe(usableCores() > 1 ? 2 : 1);
  expect(layer(2 ** 20)).toEqual(layer(1));
  batches.forEach((batch) => batch.dispose());
});
