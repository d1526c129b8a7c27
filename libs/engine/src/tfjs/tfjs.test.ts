import { beforeAll, expect, test } from 'vitest';
import type * as Tfjs from '@tensorflow/tfjs';
import {
  fromTfjs,
  liveTensors,
  matmul,
  randomNormal,
  silu,
  sum,
  tf,
  tidy,
  toArray,
  toTfjs,
} from '../index.ts';

let js: typeof Tfjs;

beforeAll(async () => {
  js = await tf();
});

test('tfjs computes on the engine, and its products are those of the engine', () => {
  expect(js.getBackend()).toBe('tensorflow');
  using a = randomNormal([5, 7], { seed: 1 });
  using b = randomNormal([7, 3], { seed: 2 });
  using ours = matmul(a, b);
  const theirs = js.tidy(() => js.matMul(toTfjs(a) as Tfjs.Tensor2D, toTfjs(b) as Tfjs.Tensor2D).arraySync());
  expect((theirs as number[][]).flat()).toEqual(toArray(ours));
});

test("tfjs's gradients agree with the ones written out", () => {
  using x = randomNormal([4, 6], { seed: 3 });
  using w = randomNormal([6, 2], { seed: 4 });
  const gradient = js.tidy(() => {
    const loss = (v: Tfjs.Tensor): Tfjs.Scalar => {
      const y = js.matMul(v as Tfjs.Tensor2D, toTfjs(w) as Tfjs.Tensor2D);
      return js.sum(js.mul(y, js.sigmoid(y)));
    };
    return Array.from(js.grad(loss)(toTfjs(x)).dataSync());
  });
  // By central differences of the engine's own forward.
  const at = (i: number, step: number): number => {
    const values = toArray(x).map((value, k) => (k === i ? value + step : value));
    return tidy(() => toArray(sum(silu(matmul(fromTfjs(js.tensor(values, [4, 6])), w))))[0]!);
  };
  const step = 1e-2;
  for (let i = 0; i < 24; i += 5) {
    expect(Math.abs(gradient[i]! - (at(i, step) - at(i, -step)) / (2 * step))).toBeLessThan(5e-3);
  }
});

test('layers and optimizers of tfjs train', async () => {
  const model = js.sequential({ layers: [js.layers.dense({ units: 1, inputShape: [2], useBias: false })] });
  model.compile({ optimizer: js.train.sgd(0.1), loss: 'meanSquaredError' });
  const x = js.tensor2d([1, 0, 0, 1, 1, 1], [3, 2]);
  const y = js.tensor2d([2, -1, 1], [3, 1]);
  const { history } = await model.fit(x, y, { epochs: 60, verbose: 0 });
  expect(Number(history.loss!.at(-1))).toBeLessThan(0.05);
});

test('strings and integers pass through', () => {
  expect(js.tensor(['a', 'a text that is longer than twenty-two bytes'], [2]).arraySync()).toEqual([
    'a',
    'a text that is longer than twenty-two bytes',
  ]);
  expect(js.topk(js.tensor1d([3, 9, 4]), 2).indices.arraySync()).toEqual([1, 2]);
});

test('a tensor outlives the one it was shared with, and each is counted by its own side', () => {
  const before = { engine: liveTensors().count, tfjs: js.memory().numTensors };
  const ours = randomNormal([3], { seed: 5 });
  const theirs = toTfjs(ours);
  const values = toArray(ours);
  ours.dispose();
  expect(Array.from(theirs.dataSync())).toEqual(values);
  const back = fromTfjs(theirs);
  theirs.dispose();
  expect(toArray(back)).toEqual(values);
  back.dispose();
  expect({ engine: liveTensors().count, tfjs: js.memory().numTensors }).toEqual(before);
});

test('an error of an op that tfjs runs names the op and the shapes', () => {
  const a = js.zeros([2, 3]);
  const backend = js.backend() as unknown as {
    executeSingleOutput(name: string, attrs: unknown[], inputs: Tfjs.Tensor[]): Tfjs.Tensor;
  };
  expect(() => backend.executeSingleOutput('MatMul', [], [a, a])).toThrow(
    /MatMul\(f32\[2,3\], f32\[2,3\]\) failed/,
  );
});
