import { expect, test } from 'vitest';
import { parseTrainingOptions } from '../options/training-options.ts';
import { learningRateAt, scheduleOf } from '../optimizer/schedule.ts';
import { refinementTrainingOptions, splitSteps } from './refinement.ts';

test('half of all steps are exact unless told otherwise, and 0 is 0', () => {
  expect(splitSteps(120)).toEqual({ emulatorSteps: 60, refineSteps: 60 });
  expect(splitSteps(121)).toEqual({ emulatorSteps: 61, refineSteps: 60 });
  expect(splitSteps(120, { refineSteps: 0 })).toEqual({ emulatorSteps: 120, refineSteps: 0 });
  expect(splitSteps(120, { refineSteps: 120 })).toEqual({ emulatorSteps: 0, refineSteps: 120 });
  expect(() => splitSteps(10, { refineSteps: 11 })).toThrow(
    expect.objectContaining({ field: 'refine_steps' }),
  );
});

test('exact steps warm up anew to 0.8 of the peak, then fall to 0 by half a cosine', () => {
  const options = parseTrainingOptions({ learning_rate: 1e-3, max_steps: 120, lr_scheduler_type: 'linear' });
  const refined = refinementTrainingOptions(options, 60);
  const schedule = scheduleOf(refined, 60);
  const rates = Array.from({ length: 61 }, (_, step) => learningRateAt(step, schedule));
  [0, 4e-4, 8e-4].forEach((rate, step) => expect(rates[step]).toBeCloseTo(rate, 12));
  expect(rates[31]).toBeCloseTo(4e-4, 12);
  expect(rates[60]).toBe(0);
  expect(refined).toMatchObject({ weightDecay: options.weightDecay, seed: options.seed, maxSteps: 60 });
  expect(refinementTrainingOptions(options, 60, 5e-4).learningRate).toBe(5e-4);
  expect(refinementTrainingOptions(options, 1).warmupSteps).toBe(0);
});
