import { liveTensors, matmul, startEngine, tidy, toFloat64Array, type Tensor } from '@emloc/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LENGTH_STEP, paddedLengths, ROW_STEP, SHORTEST_SHARED_PREFIX } from './batch.ts';
import {
  backwardPass,
  forwardPass,
  lossPass,
  openModel,
  openWeights,
  plainLinears,
  prepareBatch,
} from './index.ts';
import { maxRelative, tinyLlama, values } from './testing/fixture.ts';
import type { Batch, LinearsFor, TokenRow, WeightSource } from './types.ts';

let source: WeightSource;
beforeAll(async () => {
  await startEngine();
  source = openWeights(openModel(tinyLlama), { mode: 'resident', computeDtype: 'f64' });
  // The source maps its tensors at the first use, and keeps them.
  const batch = prepareBatch(source, [row([3], 1)], 'f64');
  await gradientsOf(batch);
  batch.dispose();
});
afterAll(() => source.close());

const prefix = [1, 17, 40, 9, 9, 120, 33, 8, 71, 5];
/** Labels for all tokens from `labelled` on. */
const row = (own: readonly number[], labelled: number): TokenRow => {
  const inputIds = [...prefix, ...own];
  return { inputIds, labels: inputIds.map((id, t) => (t < labelled ? -100 : id)) };
};

/** By linear and layer: the gradient of its weight, dyᵀ x over all tokens, from which those of adapters follow. */
const gradientsOf = async (batch: Batch) => {
  const sums = new Map<string, Float64Array>();
  const linears: LinearsFor = (layer, w) => {
    const plain = plainLinears(w);
    return {
      forward: (name, x) => plain.forward(name, x),
      backward: (name, x, dy) => {
        sums.set(`${layer}.${name}`, values(tidy(() => matmul(dy, x, { transposeA: true }))));
        return plain.backward(name, x, dy);
      },
    };
  };
  const forward = await forwardPass(source, [batch], linears, { keepInputs: true });
  const loss = lossPass(source, [batch], forward.hidden, { gradientScale: 0.25 });
  const hidden = values(forward.hidden[0]!);
  forward.hidden.forEach((h) => h.dispose());
  const dHidden = values(loss.dHidden[0]!);
  await backwardPass(source, [batch], forward.inputs, loss.dHidden, linears);
  return { sums, hidden, dHidden, logProbs: loss.micro[0]!.logProbs, lossSum: loss.lossSum };
};

/** Of each row of the unshared batch, the row of the shared one. */
const placesOf = (batch: Batch): number[] => {
  let next = batch.prefix;
  return batch.lengths.flatMap((length) => Array.from({ length }, (_, t) => (t < batch.prefix ? t : next++)));
};

const manyIds = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, t) => 1 + ((7 * seed + 5 * t) % 90));

describe('rows with a shared prefix', () => {
  test.each<[string, TokenRow[]]>([
    ['of equal length', [row([3, 4, 5], 11), row([6, 7, 8], 11), row([9, 10, 11], 10)]],
    ['of lengths that differ', [row([3], 10), row([6, 7, 8, 9, 20], 12), row([9, 10, 11], 11)]],
    ['with labels in the prefix', [row([3, 4], 2), row([6, 7, 8], 5), row([6, 7], 1)]],
    ['one of which has no labels', [row([3, 4], 99), row([6, 7, 8], 10)]],
    ['one of which is the whole beginning of another', [row([], 3), row([6, 7, 8], 3)]],
    ['that are the same', [row([3, 4], 2), row([3, 4], 2)]],
  ])('%s give the losses, hidden states and gradients they give unshared', async (_, rows) => {
    const before = liveTensors().count;
    const shared = prepareBatch(source, rows, 'f64', { sharePrefix: true });
    const plain = prepareBatch(source, rows, 'f64');
    expect([shared.lengths, shared.labelCounts]).toEqual([plain.lengths, plain.labelCounts]);
    expect(shared.targets.labels).toEqual(plain.targets.labels);
    expect([shared.tokens, plain.tokens]).toEqual([plain.rows, plain.rows]);
    expect(shared.rows).toBe(plain.rows - (rows.length - 1) * shared.prefix);
    expect(shared.prefix).toBeGreaterThanOrEqual(prefix.length - 1);

    const [ours, theirs] = [await gradientsOf(shared), await gradientsOf(plain)];
    expect(maxRelative(ours.logProbs, theirs.logProbs)).toBeLessThan(1e-12);
    const places = placesOf(shared);
    const width = source.config.hiddenSize;
    const spread = theirs.hidden.map(
      (_, i) => ours.hidden[places[Math.floor(i / width)]! * width + (i % width)]!,
    );
    expect(maxRelative(spread, theirs.hidden)).toBeLessThan(1e-12);
    const summed = new Float64Array(ours.dHidden.length);
    theirs.dHidden.forEach((d, i) => (summed[places[Math.floor(i / width)]! * width + (i % width)]! += d));
    expect(maxRelative(ours.dHidden, summed)).toBeLessThan(1e-12);
    expect(ours.sums.size).toBe(source.config.numLayers * 7);
    for (const [name, gradient] of theirs.sums)
      expect(maxRelative(ours.sums.get(name)!, gradient), name).toBeLessThan(1e-12);
    shared.dispose();
    plain.dispose();
    expect(liveTensors().count).toBe(before);
  });

  test.each<[string, TokenRow[]]>([
    ['of nearly one length', [row([3, 4, 5], 11), row([6, 7, 8, 2], 11), row([9, 10], 10)]],
    [
      'of lengths far apart',
      [
        row([3], 10),
        row(
          Array.from({ length: 40 }, (_, i) => i + 1),
          12,
        ),
      ],
    ],
    ['with labels in the prefix', [row([3, 4], 2), row([6, 7, 8], 5), row([6, 7], 1)]],
    ['without a common beginning', [row([3], 10), { inputIds: [5, 4], labels: [-100, 4] }]],
    ['that idle rows follow', Array.from({ length: 7 }, (_, i) => row(manyIds(12 + (i % 3), i), 20))],
  ])('%s, padded, give the losses and gradients they give unpadded', async (_, rows) => {
    const before = liveTensors().count;
    const padded = prepareBatch(source, rows, 'f64', { sharePrefix: true, padRows: true });
    const plain = prepareBatch(source, rows, 'f64');
    expect([padded.lengths, padded.labelCounts, padded.tokens]).toEqual([
      plain.lengths,
      plain.labelCounts,
      plain.tokens,
    ]);
    expect(padded.rows % LENGTH_STEP).toBe(0);
    expect(padded.prefix % LENGTH_STEP).toBe(0);
    if (rows.length === 7) expect(padded.rows).toBe(2 * ROW_STEP);
    const [ours, theirs] = [await gradientsOf(padded), await gradientsOf(plain)];
    expect(maxRelative(ours.logProbs, theirs.logProbs)).toBeLessThan(1e-12);
    for (const [name, gradient] of theirs.sums)
      expect(maxRelative(ours.sums.get(name)!, gradient), name).toBeLessThan(1e-12);
    padded.dispose();
    plain.dispose();
    expect(liveTensors().count).toBe(before);
  });

  test('padding stands at no position that a model of that length has not learnt', () => {
    const { architecture, config } = source;
    const short = { architecture, config: { ...config, maxPositionEmbeddings: 21 } };
    const batch = prepareBatch(short, [row([3, 4], 9), row([5], 8)], 'f64', {
      sharePrefix: true,
      padRows: true,
    });
    expect(batch.rows).toBeGreaterThan(batch.tokens - batch.prefix);
    expect(Math.max(...batch.context.positions)).toBe(Math.max(...batch.lengths) - 1);
    batch.dispose();
  });

  const prefixOf = (rows: readonly (readonly number[])[], sharePrefix?: boolean): number => {
    const batch = prepareBatch(
      source,
      rows.map((inputIds) => ({ inputIds })),
      'f64',
      sharePrefix === undefined ? {} : { sharePrefix },
    );
    batch.dispose();
    return batch.prefix;
  };

  test('share it only where asked, from two rows and the shortest length on, and keep a token each', () => {
    const least = prefix.slice(0, SHORTEST_SHARED_PREFIX);
    const two = [
      [...least, 3],
      [...least, 4, 5],
    ];
    expect(prefixOf(two, true)).toBe(SHORTEST_SHARED_PREFIX);
    expect(prefixOf(two, false)).toBe(0);
    expect(prefixOf(two)).toBe(0);
    expect(prefixOf(two.slice(0, 1), true)).toBe(0);
    expect(prefixOf([...two, [...least.slice(1), 3, 4]], true)).toBe(0);
    expect(prefixOf([least, [...least, 4]], true)).toBe(0); // but for one token it is long enough
    expect(prefixOf([prefix, [...prefix, 4]], true)).toBe(prefix.length - 1);
  });
});

test('gradients of labels that one prefix row predicts for several rows are summed', async () => {
  // Two rows that differ after the prefix: its last row predicts both first tokens.
  const shared = prepareBatch(source, [row([3], 10), row([4], 10)], 'f64', { sharePrefix: true });
  expect([...shared.targets.rows]).toEqual([9, 9]);
  const dHidden = async (batches: Batch[]): Promise<Float64Array> => {
    const forward = await forwardPass(source, batches, (_, w) => plainLinears(w));
    const { dHidden } = lossPass(source, batches, forward.hidden, { gradientScale: 1 });
    forward.dispose();
    const found = toFloat64Array(dHidden[0]!);
    dHidden.forEach((d: Tensor) => d.dispose());
    return found;
  };
  const width = source.config.hiddenSize;
  const ours = (await dHidden([shared])).subarray(9 * width, 10 * width);
  const single = await Promise.all(
    [3, 4].map(async (token) => {
      const batch = prepareBatch(source, [row([token], 10)], 'f64');
      const found = await dHidden([batch]);
      batch.dispose();
      return found.subarray(9 * width, 10 * width);
    }),
  );
  expect(
    maxRelative(
      ours,
      single[0]!.map((d, i) => d + single[1]![i]!),
    ),
  ).toBeLessThan(1e-12);
  shared.dispose();
});

test.each<[readonly number[], readonly number[]]>([
  [[], []],
  [[1], [8]],
  [
    [64, 62, 57],
    [64, 64, 64],
  ],
  [
    [64, 62, 30, 25],
    [64, 64, 32, 32],
  ], // padded to 64 the last two would be half padding
  [
    [16, 8],
    [16, 8],
  ],
  [
    [3, 200, 199],
    [8, 200, 200],
  ],
])('lengths %j are padded to %j', (lengths, padded) => {
  expect(paddedLengths(lengths)).toEqual(padded);
});
