import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { handleShape } from './binding/handles.ts';
import * as e from './index.ts';
import { chooseStreams, isStreaming, setStreams, sideBySide } from './streams.ts';

beforeAll(async () => {
  await e.startEngine();
});
afterEach(() => setStreams(2));

/** A chain of operations on rows of its own, whose result is not ready when the chain is asked for. */
const chain = (seed: number): e.Tensor =>
  e.tidy(() => {
    let x = e.randomNormal([64, 96], { seed });
    const w = e.randomNormal([96, 96], { seed: seed + 1 });
    for (let i = 0; i < 20; i++) x = e.softmax(e.add(e.matmul(x, w, { transposeB: true }), x));
    return e.keep(x);
  });

const chains = (streams: number, count = 5): Float64Array[] => {
  setStreams(streams);
  const made = sideBySide(Array.from({ length: count }), (_, i) => chain(i));
  const numbers = made.map((t) => e.toFloat64Array(t));
  made.forEach((t) => t.dispose());
  return numbers;
};

test('what is computed side by side is what is computed one after the other, bit by bit', () => {
  expect(chains(2)).toEqual(chains(1));
});

test('how many there are: two where there are threads for them, as many as told, one on a GPU', () => {
  expect(chooseStreams(1, false, undefined)).toBe(1);
  expect(chooseStreams(16, false, undefined)).toBe(2);
  expect(chooseStreams(16, true, undefined)).toBe(1);
  expect(chooseStreams(16, false, 4)).toBe(4);
});

test('a tensor of one stream can be an input of another', () => {
  let sum = e.keep(e.zeros([64, 96]));
  sideBySide([1, 2, 3, 4], (seed) => {
    const before = sum;
    sum = e.tidy(() => {
      const own = chain(seed);
      const next = e.keep(e.add(before, own));
      own.dispose();
      return next;
    });
    before.dispose();
  });
  const total = e.tidy(() => e.toNumber(e.sum(sum)));
  sum.dispose();
  expect(total).toBeCloseTo(4 * 64, 2); // rows of a softmax sum to 1
});

describe('an error', () => {
  const outOfRange = (): e.Tensor => e.gather(e.zeros([4, 2]), e.tensor(Int32Array.of(9), [1], 'i32'));

  test('of an operation comes to light at the end, once, and nothing stays pending or behind', () => {
    const before = e.liveTensors().count;
    expect(() =>
      sideBySide([0, 1], (i) =>
        e.tidy(() => e.keep(e.add(i === 0 ? outOfRange() : e.zeros([1, 2]), 1))).dispose(),
      ),
    ).toThrow(/an operation failed: .*9 is not in \[0, 4\)/);
    expect(isStreaming()).toBe(false);
    expect(e.liveTensors().count).toBe(before);
    expect(chains(2, 2)).toEqual(chains(1, 2));
  });

  test('of the caller is told where no operation has failed', () => {
    const own = new Error('mine');
    const failing = (tensors: () => unknown) => () =>
      sideBySide([0, 1], (i) => {
        e.tidy(() => void tensors());
        if (i === 1) throw own;
      });
    expect(failing(() => e.ones([2]))).toThrow(own);
    expect(failing(outOfRange)).toThrow(/9 is not in/);
    expect(chains(2, 2)).toEqual(chains(1, 2));
  });
});

test('inside itself it is a plain map', () => {
  const order: string[] = [];
  sideBySide([0, 1], (outer) => sideBySide([0, 1], (inner) => order.push(`${outer}${inner}`)));
  expect(order).toEqual(['00', '01', '10', '11']);
});

test('a thousand rounds leave no tensor and no memory behind', () => {
  const round = () => sideBySide([0, 1], (i) => e.tidy(() => e.keep(e.mul(e.ones([64, 64]), i))).dispose());
  for (let i = 0; i < 100; i++) round();
  const before = { live: e.liveTensors(), anonymous: e.readMemory().rssAnonBytes };
  for (let i = 0; i < 1000; i++) round();
  expect(e.liveTensors()).toEqual(before.live);
  // One tensor that stays would be 16 MB.
  expect((e.readMemory().rssAnonBytes - before.anonymous) / 2 ** 20).toBeLessThan(12);
});

describe('shapes are foreseen as they will be', () => {
  const t = (...shape: number[]) => e.randomNormal(shape, { seed: 1 });
  const ints = (...values: number[]) => e.tensor(Int32Array.from(values), [values.length], 'i32');
  const cases: Record<string, () => e.Tensor | readonly e.Tensor[]> = {
    unary: () => e.tanh(t(2, 3)),
    'a scalar beside': () => e.mul(t(2, 3), 2),
    broadcast: () => e.add(t(4, 1, 3), t(5, 1)),
    'broadcast to a longer one': () => e.sub(t(3), t(2, 3)),
    comparison: () => e.greater(t(2, 1), t(3)),
    choice: () => e.where(e.greater(t(2, 1), 0), t(1, 3), 0),
    clip: () => e.clip(t(2, 3), -1, 1),
    cast: () => e.cast(t(2, 3), 'bf16'),
    'sum of many': () => e.addN([t(2, 3), t(2, 3)]),
    gradients: () => [e.sigmoidGradient(t(2, 3), t(2, 3)), e.tanhGradient(t(2, 3), t(2, 3))],
    reshape: () => e.reshape(t(4, 6), [3, -1, 2]),
    transpose: () => e.transpose(t(2, 3, 4), [2, 0, 1]),
    'transpose, reversed': () => e.transpose(t(2, 3, 4)),
    concat: () => e.concat([t(2, 3), t(2, 5)], -1),
    'concat of one': () => e.concat([t(2, 3)], 0),
    'equal parts': () => e.split(t(2, 6), 3, -1),
    parts: () => e.split(t(7, 2), [1, 4, 2], 0),
    slice: () => e.slice(t(4, 5, 6), [1, 0, 2], [2, -1, -1]),
    gather: () => [e.gather(t(4, 3), ints(0, 3)), e.gather(t(2, 4, 3), ints(0, 3, 1), 1)],
    tile: () => e.tile(t(2, 3), [3, 1]),
    'broadcast to': () => e.broadcastTo(t(1, 3), [4, 3]),
    reverse: () => e.reverse(t(2, 3), [1]),
    fill: () => [e.zeros([2, 3]), e.zerosLike(t(2, 3)), e.identity(t(2, 3))],
    sum: () => [e.sum(t(2, 3, 4)), e.sum(t(2, 3, 4), 1), e.sum(t(2, 3, 4), [0, -1], true)],
    cumsum: () => e.cumsum(t(2, 3)),
    softmax: () => [e.softmax(t(2, 3)), e.logSoftmax(t(2, 3))],
    matmul: () => [
      e.matmul(t(2, 3), t(3, 5)),
      e.matmul(t(3, 2), t(5, 3), { transposeA: true, transposeB: true }),
      e.matmul(t(4, 2, 3), t(3, 5)),
      e.matmul(t(4, 2, 3), t(5, 3), { transposeB: true }),
      e.matmul(t(4, 2, 3), t(1, 3, 5)),
      e.matmul(t(2, 300, 200), t(2, 200, 300)),
      e.matmul(e.cast(t(2, 3), 'bf16'), e.cast(t(3, 5), 'bf16')),
    ],
    linear: () => [
      e.linear(t(2, 3), e.cast(t(5, 3), 'bf16')),
      e.linearBackward(t(2, 5), e.cast(t(5, 3), 'bf16')),
    ],
  };

  test.each(Object.entries(cases))('%s', (_, make) => {
    const found = sideBySide([0, 1], () =>
      e.tidy(() => {
        const made = [make()].flat() as e.Tensor[];
        // Asked before anything is ready; what it is in truth is asked of TensorFlow.
        return made.map((tensor) => ({ foreseen: tensor.shape, truly: handleShape(tensor.handle) }));
      }),
    );
    for (const { foreseen, truly } of found.flat()) expect(foreseen).toEqual(truly);
  });
});
