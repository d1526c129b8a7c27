import { expect, test } from 'vitest';
import { learningRateAt, scheduleOf } from './schedule.ts';

const rates = (
  type: 'cosine' | 'linear' | 'constant' | 'constant_with_warmup',
  totalSteps: number,
  warmupSteps: number,
) =>
  Array.from({ length: totalSteps }, (_, step) =>
    learningRateAt(step, { type, peak: 1, totalSteps, warmupSteps }),
  );

test('a warm-up starts at 0 and reaches the peak at its end', () => {
  for (const type of ['cosine', 'linear', 'constant', 'constant_with_warmup'] as const) {
    expect(rates(type, 8, 4).slice(0, 5)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  }
});

test('half a cosine falls through its middle to zero', () => {
  const values = rates('cosine', 21, 1);
  expect(values[1]).toBe(1);
  expect(values[11]).toBeCloseTo(0.5, 12);
  expect(learningRateAt(21, { type: 'cosine', peak: 1, totalSteps: 21, warmupSteps: 1 })).toBe(0);
  values.slice(2).forEach((rate, i) => expect(rate).toBeLessThan(values[i + 1] ?? 0));
});

test('linear falls evenly, constant stays', () => {
  expect(rates('linear', 6, 2)).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25]);
  expect(rates('constant', 4, 0)).toEqual([1, 1, 1, 1]);
});

test('warm-up steps win over the ratio, an explicit 0 is none, and constant has none unless asked', () => {
  const base = {
    learningRate: 1,
    lrSchedulerType: 'cosine',
    warmupSteps: undefined,
    warmupRatio: undefined,
  } as const;
  expect(scheduleOf(base, 120).warmupSteps).toBe(4);
  expect(scheduleOf({ ...base, warmupRatio: 0.1 }, 25).warmupSteps).toBe(3);
  expect(scheduleOf({ ...base, warmupRatio: 0.1, warmupSteps: 0 }, 25).warmupSteps).toBe(0);
  expect(scheduleOf({ ...base, lrSchedulerType: 'constant' }, 120).warmupSteps).toBe(0);
  expect(scheduleOf({ ...base, lrSchedulerType: 'constant', warmupSteps: 2 }, 120).warmupSteps).toBe(2);
});
