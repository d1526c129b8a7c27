import {
  gather,
  keep,
  mul,
  reshape,
  startEngine,
  sum,
  tensor,
  tidy,
  transpose,
  type Tensor,
} from '@emloc/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeBatchContext } from '../batch-context.ts';
import { gradientError, maxRelative, random, randomNumbers, values } from '../testing/fixture.ts';
import { tinyModel } from '../testing/tiny-config.ts';
import { attention, attentionBackward, type Heads } from './attention.ts';
import { geluTanh, silu } from './activation.ts';
import { gated, gatedBackward } from './gate.ts';
import { linearBackward, linearForward } from './linear.ts';
import { rmsNorm, rmsNormBackward } from './rms-norm.ts';
import { rope, ropeBackward } from './rope.ts';

beforeAll(() => startEngine());

/** Claims of a backward about one input of shape `shape`, against finite differences. */
const errorOf = (
  shape: readonly number[],
  outSize: number,
  forward: (x: Tensor) => Tensor,
  backward: (x: Tensor, dy: Tensor) => Tensor,
): number => {
  const count = shape.reduce((a, b) => a * b, 1);
  const x = randomNumbers(count, 1);
  const w = randomNumbers(outSize, 2);
  const run = (at: Float64Array): Float64Array => tidy(() => values(forward(tensor(at, shape, 'f64'))));
  const gradient = tidy(() => {
    const input = tensor(x, shape, 'f64');
    return values(backward(input, reshape(tensor(w, undefined, 'f64'), forward(input).shape)));
  });
  return gradientError(run, x, w, gradient);
};

const close = 1e-8;

test('rmsNorm: backward agrees with finite differences', () => {
  tidy(() => {
    const weight = random([6], 3);
    const error = errorOf(
      [5, 6],
      30,
      (x) => rmsNorm(x, weight, 1e-2).y,
      (x, dy) => rmsNormBackward(x, dy, weight, rmsNorm(x, weight, 1e-2).inverse),
    );
    expect(error).toBeLessThan(close);
  });
});

describe.each(Object.entries({ silu, geluTanh }))('a gate of %s', (_, activation) => {
  test('has gradients that agree with finite differences', () => {
    tidy(() => {
      const other = random([4, 7], 3);
      const back = (dy: Tensor, gate: Tensor, up: Tensor) =>
        gatedBackward(activation, dy, gate, up, gated(activation, gate, up).gate);
      const gate = errorOf(
        [4, 7],
        28,
        (x) => gated(activation, x, other).activated,
        (x, dy) => back(dy, x, other).dGate,
      );
      const up = errorOf(
        [4, 7],
        28,
        (x) => gated(activation, other, x).activated,
        (x, dy) => back(dy, other, x).dUp,
      );
      expect(Math.max(gate, up)).toBeLessThan(close);
    });
  });
});

describe('rope', () => {
  test('backward agrees with finite differences', () => {
    const { context } = layout([3, 2]);
    const error = errorOf(
      [5, 16],
      80,
      (x) => rope(x, context.layer(0).queryRope),
      (_, dy) => ropeBackward(dy, context.layer(0).queryRope),
    );
    context.dispose();
    expect(error).toBeLessThan(close);
  });

  test.each([
    ['part of each head', { rope: { theta: 100, dims: 4 }, scale: 0.5 }],
    ['no part of it', { scale: 0.5 }],
  ])('turning %s, the rest is scaled alone; backward agrees with finite differences', (_, kind) => {
    const model = tinyModel();
    const architecture = { ...model.architecture, attentionKinds: () => [kind] };
    const context = makeBatchContext({ ...model, architecture }, [{ tokens: 3 }], 'f64');
    const tables = context.layer(0).queryRope;
    const error = errorOf(
      [3, 16],
      48,
      (x) => rope(x, tables),
      (_, dy) => ropeBackward(reshape(dy, [3, 2, 8]), tables),
    );
    expect(error).toBeLessThan(close);
    tidy(() => {
      const x = random([3, 16], 1);
      const turned = values(rope(x, tables));
      const still = [4, 5, 6, 7, 12, 13, 14, 15];
      for (const row of [0, 1, 2])
        for (const i of still) expect(turned[16 * row + i]).toBe(0.5 * values(x)[16 * row + i]!);
    });
    context.dispose();
  });

  test('it turns each pair by its angle and keeps lengths', () => {
    const { context } = layout([4]);
    const lengths = tidy(() => {
      const x = random([4, 8], 1);
      const norm = (t: Tensor): Float64Array => values(sum(mul(t, t), -1));
      return { before: norm(x), after: norm(reshape(rope(x, context.layer(0).keyRope), [4, 8])) };
    });
    context.dispose();
    expect(maxRelative(lengths.after, lengths.before)).toBeLessThan(1e-12);
  });
});

describe('linear', () => {
  test('a weight that is stored the other way round gives the same, forward and backward', () => {
    tidy(() => {
      const [weight, bias, x, dy] = [random([4, 6], 3), random([4], 9), random([5, 6], 1), random([5, 4], 2)];
      const plain = { kind: 'full', weight, bias } as const;
      const turned = { kind: 'full', weight: transpose(weight), bias, transposed: true } as const;
      expect(maxRelative(values(linearForward(turned, x)), values(linearForward(plain, x)))).toBeLessThan(
        1e-15,
      );
      expect(maxRelative(values(linearBackward(turned, dy)), values(linearBackward(plain, dy)))).toBeLessThan(
        1e-15,
      );
    });
  });

  test.each(['full', 'factored'] as const)('%s: backward agrees with finite differences', (kind) => {
    tidy(() => {
      const bias = random([4], 9);
      const w =
        kind === 'full'
          ? { kind, weight: random([4, 6], 3), bias }
          : { kind, u: random([4, 2], 3), v: random([2, 6], 4), bias };
      const error = errorOf(
        [5, 6],
        20,
        (x) => linearForward(w, x),
        (_, dy) => linearBackward(w, dy),
      );
      expect(error).toBeLessThan(close);
    });
  });
});

describe('attention', () => {
  // Sequences of lengths that differ and one length twice: a block of two, and blocks of their own.
  const lengths = [4, 4, 3, 1];
  const rows = 12;
  const [heads, keyHeads, width] = [4, 2, 8];

  test.each(['q', 'k', 'v'] as const)('the gradient of %s agrees with finite differences', (part) => {
    const { context } = layout(lengths);
    tidy(() => {
      const fixed: Heads = {
        q: random([rows, heads, width], 3),
        k: random([rows, keyHeads, width], 4),
        v: random([rows, keyHeads, width], 5),
      };
      const run = (x: Tensor) => {
        const all = { ...fixed, [part]: x };
        return { all, attended: attention(all, context.layer(0)) };
      };
      const error = errorOf(
        fixed[part].shape,
        rows * heads * width,
        (x) => run(x).attended.output,
        (x, dy) => {
          const { all, attended } = run(x);
          return attentionBackward(dy, all, attended.states, context.layer(0))[part];
        },
      );
      expect(error).toBeLessThan(close);
    });
    context.dispose();
  });

  // Of 8-byte scores: one tile a key-value head, one a query, and some between.
  test.each([8 * 32, 8 * 8, 8 * 24])(
    'scores in tiles of %i bytes give the same, forward and backward',
    (bytes) => {
      const { context } = layout(lengths);
      tidy(() => {
        const inputs: Heads = {
          q: random([rows, heads, width], 3),
          k: random([rows, keyHeads, width], 4),
          v: random([rows, keyHeads, width], 5),
        };
        const dy = random([rows, heads * width], 6);
        const run = (scoresBytes?: number): Float64Array[] => {
          const { output, states } = attention(inputs, context.layer(0), scoresBytes);
          const d = attentionBackward(dy, inputs, states, context.layer(0), scoresBytes);
          return [output, d.q, d.k, d.v].map(values);
        };
        const whole = run();
        run(bytes).forEach((tiled, i) => expect(maxRelative(tiled, whole[i]!)).toBeLessThan(1e-12));
      });
      context.dispose();
    },
  );

  test('a sequence sees neither its future nor its neighbours', () => {
    const { context } = layout(lengths);
    const outputs = tidy(() => {
      const k = random([rows, keyHeads, width], 4);
      const v = random([rows, keyHeads, width], 5);
      const q = random([rows, heads, width], 3);
      // Row 5 (second token of the second sequence) of k and v is changed.
      const bump = tensor(
        Float64Array.from({ length: rows }, (_, i) => (i === 5 ? 9 : 1)),
        [rows, 1, 1],
        'f64',
      );
      const before = values(attention({ q, k, v }, context.layer(0)).output);
      const after = values(attention({ q, k: mul(k, bump), v: mul(v, bump) }, context.layer(0)).output);
      return { before, after };
    });
    context.dispose();
    const changed = Array.from({ length: rows }, (_, row) => {
      const part = (a: Float64Array): string => a.subarray(row * 32, row * 32 + 32).join();
      return part(outputs.before) !== part(outputs.after);
    });
    expect(changed.flatMap((c, row) => (c ? [row] : []))).toEqual([5, 6, 7]);
  });
});

describe('attention after a shared prefix', () => {
  const prefix = 5;
  const own = [3, 3, 1, 4]; // two blocks of one, and one of two sequences
  const rows = prefix + own.reduce((a, b) => a + b, 0);
  const [heads, keyHeads, width] = [4, 2, 8];
  /** The row of the shared batch that each row of the whole sequences, one after the other, is. */
  const places: number[] = [];
  let next = prefix;
  for (const tokens of own) {
    for (let t = 0; t < prefix; t++) places.push(t);
    for (let t = 0; t < tokens; t++) places.push(next++);
  }
  const whole = (x: Tensor): Tensor => gather(x, tensor(Int32Array.from(places), undefined, 'i32'), 0);
  /** Sums what the copies of a prefix row get. */
  const gathered = (x: Tensor): Float64Array => {
    const [all, sums] = [values(x), new Float64Array(rows * (x.shape[1]! * x.shape[2]!))];
    const size = sums.length / rows;
    all.forEach((value, i) => (sums[places[Math.floor(i / size)]! * size + (i % size)]! += value));
    return sums;
  };

  // A long sequence has no mask made beforehand: the tiles make their own.
  test.each([
    ['whole', undefined, true],
    ['in tiles of one query', 8, true],
    ['in tiles of two key-value heads', 8 * 2 * 3 * 8 * 2, true],
    ['in tiles of some queries', 8 * 2 * 8 * 2, true],
    ['in tiles that make their masks', 8 * 2 * 8 * 2, false],
  ] as const)('gives what every sequence gives alone, forward and backward: %s', (_, scoresBytes, masked) => {
    const shared = makeBatchContext(
      tinyModel(),
      own.map((tokens) => ({ tokens })),
      'f64',
      prefix,
    );
    const alone = layout(own.map((tokens) => prefix + tokens)).context;
    const blocks = shared.layer(0).blocks.map((block) => (masked ? block : { ...block, mask: undefined }));
    expect(blocks.map(({ sequences, tokens }) => [sequences, tokens])).toEqual([
      [1, 5],
      [2, 3],
      [1, 1],
      [1, 4],
    ]);
    tidy(() => {
      const inputs: Heads = {
        q: random([rows, heads, width], 3),
        k: random([rows, keyHeads, width], 4),
        v: random([rows, keyHeads, width], 5),
      };
      const each = { q: whole(inputs.q), k: whole(inputs.k), v: whole(inputs.v) };
      const here = attention(inputs, { blocks }, scoresBytes);
      const there = attention(each, alone.layer(0));
      expect(maxRelative(values(whole(here.output)), values(there.output))).toBeLessThan(1e-12);

      // The gradient of a prefix row is the sum over its copies, each of which may ask for something else.
      const dThere = random([places.length, heads, width], 6);
      const dHere = reshape(tensor(gathered(dThere), undefined, 'f64'), [rows, heads * width]);
      const ours = attentionBackward(dHere, inputs, here.states, { blocks }, scoresBytes);
      const theirs = attentionBackward(
        reshape(dThere, [places.length, -1]),
        each,
        there.states,
        alone.layer(0),
      );
      for (const part of ['q', 'k', 'v'] as const)
        expect(maxRelative(values(ours[part]), gathered(theirs[part]))).toBeLessThan(1e-12);
    });
    shared.dispose();
    alone.dispose();
  });

  test('positions go on after it, and rules of visibility count from there', () => {
    const rule = { tokens: 2, positions: [5, 5], visible: (i: number, j: number) => i === j };
    const context = makeBatchContext(tinyModel(), [{ tokens: 2 }, rule], 'f64', 2);
    const plain = makeBatchContext(tinyModel(), [{ tokens: 4 }, rule], 'f64');
    expect(context.rows).toBe(6);
    expect(values(context.layer(0).keyRope.rotation!.cos)).toEqual(
      values(plain.layer(0).keyRope.rotation!.cos),
    );
    const seen = values(context.layer(0).blocks[2]!.mask!).map((x) => +(x === 0));
    expect([...seen]).toEqual([1, 1, 1, 0, 1, 1, 0, 1]);
    context.dispose();
    plain.dispose();
  });
});

function layout(lengths: readonly number[]) {
  const context = makeBatchContext(
    tinyModel(),
    lengths.map((tokens) => ({ tokens })),
    'f64',
  );
  return { context };
}

test('what a layer function makes and does not return ends with it', async () => {
  const { liveTensors } = await import('@emloc/engine');
  const before = liveTensors().count;
  const { context } = layout([4, 3]);
  tidy(() => {
    const q = random([7, 4, 8], 1);
    const k = random([7, 2, 8], 2);
    keep(attention({ q, k, v: k }, context.layer(0)).output).dispose();
  });
  context.dispose();
  expect(liveTensors().count).toBe(before);
});
