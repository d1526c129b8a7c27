import { beforeAll, describe, expect, test } from 'vitest';
import * as e from '../index.ts';
import { expectClose } from '../test-support.ts';

beforeAll(async () => {
  await e.startEngine();
});

/** Runs the test and expects it to leave nothing. */
const clean = (body: () => void) => () => {
  const before = e.liveTensors().count;
  e.tidy(body);
  expect(e.liveTensors().count).toBe(before);
};

const floats = ['f64', 'f32', 'bf16', 'f16'] as const;
const precision = { f64: 1e-12, f32: 1e-6, bf16: 1e-2, f16: 2e-3 };

describe.each(floats)('elementwise in %s', (dtype) => {
  const x = [-1.5, -0.25, 0.5, 2];
  const unaries: [string, (t: e.Tensor) => e.Tensor, (v: number) => number][] = [
    ['neg', e.neg, (v) => -v],
    ['abs', e.abs, Math.abs],
    ['square', e.square, (v) => v * v],
    ['exp', e.exp, Math.exp],
    ['sin', e.sin, Math.sin],
    ['cos', e.cos, Math.cos],
    ['tanh', e.tanh, Math.tanh],
    ['reciprocal', e.reciprocal, (v) => 1 / v],
    ['sigmoid', e.sigmoid, (v) => 1 / (1 + Math.exp(-v))],
    ['silu', e.silu, (v) => v / (1 + Math.exp(-v))],
    [
      'gelu tanh',
      (t) => e.gelu(t, 'tanh'),
      (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ],
  ];
  test.each(unaries)('%s', (_, op, reference) => {
    clean(() => expectClose(op(e.tensor(x, [4], dtype)), x.map(reference), 8 * precision[dtype]))();
  });

  test(
    'roots and logarithms of positive numbers',
    clean(() => {
      const p = [0.25, 1, 4, 9];
      const t = e.tensor(p, [4], dtype);
      expectClose(e.sqrt(t), p.map(Math.sqrt), 4 * precision[dtype]);
      expectClose(
        e.rsqrt(t),
        p.map((v) => 1 / Math.sqrt(v)),
        4 * precision[dtype],
      );
      expectClose(e.log(t), p.map(Math.log), 4 * precision[dtype]);
    }),
  );

  test(
    'two operands broadcast, and a number takes the type of the other',
    clean(() => {
      const a = e.tensor([1, 2, 3, 4], [2, 2], dtype);
      const b = e.tensor([10, 20], [2], dtype);
      expect(e.toArray(e.add(a, b))).toEqual([11, 22, 13, 24]);
      expect(e.toArray(e.sub(a, 1))).toEqual([0, 1, 2, 3]);
      expect(e.toArray(e.mul(2, a))).toEqual([2, 4, 6, 8]);
      expect(e.toArray(e.div(b, 4))).toEqual([2.5, 5]);
      expect(e.toArray(e.pow(a, 2))).toEqual([1, 4, 9, 16]);
      expect(e.toArray(e.maximum(a, 2))).toEqual([2, 2, 3, 4]);
      expect(e.toArray(e.minimum(a, 2))).toEqual([1, 2, 2, 2]);
      expect(e.add(a, 1).dtype).toBe(dtype);
    }),
  );

  test(
    'products of matrices',
    clean(() => {
      const a = e.tensor([1, 2, 3, 4, 5, 6], [2, 3], dtype);
      expect(e.toArray(e.matmul(a, a, { transposeB: true }))).toEqual([14, 32, 32, 77]);
      expect(e.toArray(e.matmul(a, a, { transposeA: true }))).toEqual([17, 22, 27, 22, 29, 36, 27, 36, 45]);
      const stack = e.stack([a, e.mul(a, 2)]);
      expect(e.matmul(stack, e.transpose(a)).shape).toEqual([2, 2, 2]);
      expect(e.toArray(e.matmul(stack, stack, { transposeB: true }))).toEqual([
        14, 32, 32, 77, 56, 128, 128, 308,
      ]);
      expect(e.matmul(a, a, { transposeB: true }).dtype).toBe(dtype);
    }),
  );

  test(
    'reductions',
    clean(() => {
      const t = e.tensor([1, 2, 3, 4, 5, 6], [2, 3], dtype);
      expect(e.toArray(e.sum(t))).toEqual([21]);
      expect(e.toArray(e.sum(t, 0))).toEqual([5, 7, 9]);
      expect(e.sum(t, [1], true).shape).toEqual([2, 1]);
      expect(e.toArray(e.mean(t, -1))).toEqual([2, 5]);
      expect(e.toArray(e.max(t, 1))).toEqual([3, 6]);
      expect(e.toArray(e.min(t))).toEqual([1]);
      expect(e.toArray(e.prod(t, 1))).toEqual([6, 120]);
      expect(e.toArray(e.argmax(t))).toEqual([2, 2]);
    }),
  );

  test(
    'softmax rows sum to 1',
    clean(() => {
      const t = e.tensor([1, 2, 3, 1000, 1000, 1000], [2, 3], dtype);
      expectClose(e.sum(e.softmax(t), -1), [1, 1], 4 * precision[dtype]);
      expectClose(e.softmax(t), e.exp(e.logSoftmax(t)), 4 * precision[dtype]);
    }),
  );
});

test(
  'gelu by erf',
  clean(() => {
    // Φ(1) = 0.8413447, Φ(-2) = 0.0227501
    expectClose(e.gelu(e.tensor([1, -2, 0])), [0.8413447, -0.0455003, 0], 1e-6);
  }),
);

test(
  'cross-entropy and its gradient, against softmax and finite differences',
  clean(() => {
    const values = [0.2, -1, 0.5, 2, 0, 1];
    const labels = e.tensor([2, 0], [2], 'i32');
    const lossOf = (v: number[]) => e.toArray(e.softmaxCrossEntropy(e.tensor(v, [2, 3], 'f64'), labels).loss);
    const { loss, dLogits } = e.softmaxCrossEntropy(e.tensor(values, [2, 3], 'f64'), labels);
    const picked = e.toArray(e.neg(e.logSoftmax(e.tensor(values, [2, 3], 'f64'))));
    expectClose(loss, [picked[2]!, picked[3]!], 1e-12);
    const gradient = e.toArray(dLogits);
    const h = 1e-5;
    values.forEach((_, i) => {
      const shifted = (d: number) => values.map((v, k) => (k === i ? v + d : v));
      const [up, down] = [lossOf(shifted(h)), lossOf(shifted(-h))];
      const numeric = (up[0]! + up[1]! - down[0]! - down[1]!) / (2 * h);
      expect(Math.abs(numeric - gradient[i]!)).toBeLessThan(1e-8);
    });
  }),
);

describe('shapes', () => {
  const six = () => e.tensor([1, 2, 3, 4, 5, 6], [2, 3]);

  test(
    'reshape, transpose, expand, squeeze',
    clean(() => {
      expect(e.reshape(six(), [3, -1]).shape).toEqual([3, 2]);
      expect(e.toArray(e.transpose(six()))).toEqual([1, 4, 2, 5, 3, 6]);
      expect(e.transpose(e.zeros([2, 3, 4]), [2, 0, 1]).shape).toEqual([4, 2, 3]);
      expect(e.squeeze(e.expandDims(six(), 1), [1]).shape).toEqual([2, 3]);
    }),
  );

  test(
    'split undoes concat',
    clean(() => {
      const joined = e.concat([six(), six()], 1);
      expect(joined.shape).toEqual([2, 6]);
      const [a, b] = e.split(joined, [2, 4], 1);
      expect([a!.shape, b!.shape]).toEqual([
        [2, 2],
        [2, 4],
      ]);
      expect(e.toArray(e.concat([a!, b!], 1))).toEqual(e.toArray(joined));
      expect(e.split(joined, 3, 1).map((t) => t.shape)).toEqual([
        [2, 2],
        [2, 2],
        [2, 2],
      ]);
      expect(e.concat([six()]).shape).toEqual([2, 3]);
    }),
  );

  test(
    'slice, pad, tile, broadcast',
    clean(() => {
      expect(e.toArray(e.slice(six(), [0, 1], [-1, 2]))).toEqual([2, 3, 5, 6]);
      expect(e.toArray(e.pad(e.ones([2]), [[1, 2]], 7))).toEqual([7, 1, 1, 7, 7]);
      expect(e.toArray(e.tile(e.tensor([1, 2]), [2]))).toEqual([1, 2, 1, 2]);
      expect(e.broadcastTo(e.ones([3]), [2, 3]).shape).toEqual([2, 3]);
    }),
  );

  test(
    'segment sum is the gradient of gather, repeated rows included',
    clean(() => {
      const table = e.tensor([1, 2, 3, 4, 5, 6], [3, 2]);
      const ids = e.tensor([2, 0, 2], [3], 'i32');
      expect(e.toArray(e.gather(table, ids))).toEqual([5, 6, 1, 2, 5, 6]);
      expect(e.toArray(e.gather(table, e.tensor([1], [1], 'i32'), 1))).toEqual([2, 4, 6]);
      expect(e.toArray(e.unsortedSegmentSum(e.ones([3, 2]), ids, 3))).toEqual([1, 1, 0, 0, 2, 2]);
      expect(e.toArray(e.scatterAdd(table, ids, e.ones([3, 2])))).toEqual([2, 3, 3, 4, 7, 8]);
    }),
  );

  test(
    'makers',
    clean(() => {
      expect(e.toArray(e.range(2, 8, 2))).toEqual([2, 4, 6]);
      expect(e.toArray(e.eye(2))).toEqual([1, 0, 0, 1]);
      expect(e.toArray(e.oneHot(e.tensor([1, -1], [2], 'i32'), 2))).toEqual([0, 1, 0, 0]);
      expect(e.toArray(e.zerosLike(six()))).toEqual([0, 0, 0, 0, 0, 0]);
      expect(e.fill([2], 3, 'bf16').dtype).toBe('bf16');
      expect(e.toArray(e.linspace(0, 1, 3))).toEqual([0, 0.5, 1]);
    }),
  );

  test(
    'parts of a matrix',
    clean(() => {
      const m = e.tensor([1, 2, 3, 4], [2, 2]);
      expect(e.toArray(e.triu(m))).toEqual([1, 2, 0, 4]);
      expect(e.toArray(e.tril(m))).toEqual([1, 0, 3, 4]);
      expect(e.toArray(e.diagPart(m))).toEqual([1, 4]);
      expect(e.toNumber(e.trace(m))).toBe(5);
    }),
  );

  test(
    'choosing',
    clean(() => {
      const t = six();
      expect(e.toArray(e.where(e.greater(t, 2), t, 0))).toEqual([0, 0, 3, 4, 5, 6]);
      expect(e.toArray(e.cast(e.equal(t, 3), 'i32'))).toEqual([0, 0, 1, 0, 0, 0]);
      const { values, indices } = e.topK(t, 2);
      expect([e.toArray(values), e.toArray(indices)]).toEqual([
        [3, 2, 6, 5],
        [2, 1, 2, 1],
      ]);
      expect(e.toArray(e.all(e.isFinite(e.tensor([1, NaN, Infinity]))))).toEqual([0]);
      expect(e.toArray(e.any(e.isNaN(e.tensor([1, NaN]))))).toEqual([1]);
      expect(e.toArray(e.clip(t, 2, 4))).toEqual([2, 2, 3, 4, 4, 4]);
    }),
  );
});

test(
  'random numbers follow their seed alone',
  clean(() => {
    const a = e.randomUniform([1000], { seed: 7, low: -1, high: 1 });
    expect(e.toArray(a)).toEqual(e.toArray(e.randomUniform([1000], { seed: 7, low: -1, high: 1 })));
    expect(e.toArray(a)).not.toEqual(e.toArray(e.randomUniform([1000], { seed: [7, 1], low: -1, high: 1 })));
    expect(e.toNumber(e.max(e.abs(a)))).toBeLessThanOrEqual(1);
    const n = e.randomNormal([4000], { seed: 7, dtype: 'f64' });
    expect(Math.abs(e.toNumber(e.mean(n)))).toBeLessThan(0.06);
    expect(Math.abs(e.toNumber(e.mean(e.square(n))) - 1)).toBeLessThan(0.1);
  }),
);

describe('errors', () => {
  test('name the op, the types and the shapes', () => {
    using a = e.zeros([2, 3]);
    expect(() => e.matmul(a, a)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        reason: 'ENGINE_OP_FAILED',
        message: expect.stringMatching(/^MatMul\(f32\[2,3\], f32\[2,3\]\) failed: /),
      }),
    );
    using half = e.zeros([2, 3], 'f16');
    expect(() => e.add(a, half)).toThrow(/AddV2\(f32\[2,3\], f16\[2,3\]\)/);
  });

  test('an op that does not exist, and one with no kernel for the type', () => {
    using a = e.zeros([2]);
    expect(() => e.rawOp('NoSuchOp', [a])).toThrow(/NoSuchOp/);
    using bits = e.zeros([2, 2], 'bool');
    expect(() => e.exp(bits)).toThrow(/Exp\(bool\[2,2\]\)/);
  });

  test('no memory is an error of its own, and work goes on after it', () => {
    expect(() => e.zeros([2 ** 22, 2 ** 22])).toThrow(
      expect.objectContaining({ code: 'RESOURCE_EXHAUSTED', reason: 'OUT_OF_MEMORY' }),
    );
    using a = e.ones([2]);
    expect(e.toArray(a)).toEqual([1, 1]);
  });
});
