import { expect, test } from 'vitest';
import { planBatches } from './batch-plan.ts';
import { seededRandom } from './random.ts';
import { indices, sampleRows, splitHeldOut } from './sample-rows.ts';

const random = seededRandom(3);
const lengths = Array.from({ length: 203 }, () => 1 + random.below(500));
const sorted = (rows: readonly number[]): number[] => [...rows].sort((a, b) => a - b);

test('an epoch takes every row once, in another order each epoch, the same for the same seed', () => {
  const plan = planBatches(lengths, { batchSize: 8, microBatchSize: 2, seed: 1, epochs: 2 });
  expect([plan.stepsPerEpoch, plan.totalSteps]).toEqual([26, 52]);
  const steps = [...plan.from(0)];
  const epochs = [0, 1].map((epoch) => steps.filter((s) => s.epoch === epoch).flatMap((s) => s.rows));
  for (const rows of epochs) expect(sorted(rows)).toEqual(indices(203));
  expect(epochs[0]).not.toEqual(epochs[1]);
  expect([...planBatches(lengths, { batchSize: 8, microBatchSize: 2, seed: 1, epochs: 2 }).from(0)]).toEqual(
    steps,
  );
  expect(planBatches(lengths, { batchSize: 8, seed: 2 }).at(0).rows).not.toEqual(steps[0]!.rows);
});

test('training goes on at any step as if it had not stopped', () => {
  const options = { batchSize: 8, microBatchSize: 2, groupByLength: true, steps: 60 } as const;
  const whole = [...planBatches(lengths, options).from(0)];
  expect([...planBatches(lengths, options).from(31)]).toEqual(whole.slice(31));
});

test('micro-batches hold the rows of their batch, those near in length together', () => {
  const plan = planBatches(lengths, { batchSize: 8, microBatchSize: 3 });
  const { rows, microBatches } = plan.at(0);
  expect(microBatches.map((m) => m.length)).toEqual([3, 3, 2]);
  expect(sorted(microBatches.flat())).toEqual(sorted(rows));
  const inOrder = microBatches.flat().map((row) => lengths[row]!);
  expect(inOrder).toEqual([...inOrder].sort((a, b) => b - a));
});

test('without shuffling a batch is rows in file order, and the last one is short', () => {
  const plan = planBatches(lengths, { batchSize: 8, shuffle: false, groupByLength: true, steps: 27 });
  expect(plan.at(1).rows).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
  expect(plan.at(25).rows).toEqual([200, 201, 202]);
  expect(plan.at(26)).toMatchObject({ epoch: 1, rows: [0, 1, 2, 3, 4, 5, 6, 7] });
});

test('grouping by length keeps every row, puts the longest first, and narrows the batches', () => {
  const spread = (groupByLength: boolean): number => {
    const steps = [...planBatches(lengths, { batchSize: 8, groupByLength }).from(0)].slice(1, -1);
    const widths = steps.map(
      ({ rows }) => Math.max(...rows.map((r) => lengths[r]!)) - Math.min(...rows.map((r) => lengths[r]!)),
    );
    return widths.reduce((a, b) => a + b, 0) / widths.length;
  };
  const plan = planBatches(lengths, { batchSize: 8, groupByLength: true });
  expect(sorted([...plan.from(0)].flatMap((s) => s.rows))).toEqual(indices(203));
  expect(lengths[plan.at(0).rows[0]!]).toBe(Math.max(...lengths));
  expect(spread(true)).toBeLessThan(spread(false) / 2);
});

test('part of an epoch is so many steps; nonsense is refused', () => {
  expect(planBatches(lengths, { batchSize: 8, epochs: 0.5 }).totalSteps).toBe(13);
  expect(() => planBatches(lengths, { batchSize: 0 })).toThrow(/batch size is 0/);
  expect(() => planBatches([], { batchSize: 1 })).toThrow(/no rows/);
});

test('random numbers are those of xoshiro128**, spread evenly, each stream its own', () => {
  const first = seededRandom(1);
  expect([first.uint32(), first.uint32(), first.uint32()]).toMatchInlineSnapshot(`
    [
      1774397386,
      1383619187,
      3439350930,
    ]
  `);
  const counts = Array<number>(7).fill(0);
  const draws = seededRandom(5);
  for (let i = 0; i < 70_000; i++) counts[draws.below(7)]!++;
  for (const n of counts) expect(Math.abs(n - 10_000)).toBeLessThan(400);
  const floats = Array.from({ length: 10_000 }, () => draws.float());
  expect(Math.abs(floats.reduce((a, b) => a + b, 0) / 10_000 - 0.5)).toBeLessThan(0.02);
  expect(seededRandom(1, 0).uint32()).not.toBe(seededRandom(1, 1).uint32());
  expect(seededRandom(0, 1).uint32()).not.toBe(seededRandom(1, 0).uint32());
});

test('samples are drawn without replacement, the same for the same seed; a small file is taken whole', () => {
  const sample = sampleRows(2000, 64, 1);
  expect(new Set(sample).size).toBe(64);
  expect(sample).toEqual(sampleRows(2000, 64, 1));
  expect(sample).not.toEqual(sampleRows(2000, 64, 2));
  expect(sampleRows(8, 64, 1)).toEqual(indices(8));
});

test('held-out rows and training rows are all the rows, none in both', () => {
  const { train, heldOut } = splitHeldOut(2000);
  expect([train.length, heldOut.length]).toEqual([1936, 64]);
  expect(sorted([...train, ...heldOut])).toEqual(indices(2000));
  expect(splitHeldOut(15).heldOut).toHaveLength(2);
  expect(splitHeldOut(1)).toEqual({ train: [0], heldOut: [] });
});
