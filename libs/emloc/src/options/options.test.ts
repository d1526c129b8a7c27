import { expect, test } from 'vitest';
import { camelCase, spell } from './option-names.ts';
import { describeOptions, parseOptions } from './parse-options.ts';
import { compressionOptionsSchema } from './stage-options.ts';
import {
  parseTrainingOptions,
  totalSteps,
  trainingDefaults,
  trainingOptionsSchema,
} from './training-options.ts';

test('every option has its spelling in each place, and comes back from it', () => {
  expect(spell('adamBeta1', 'snake')).toBe('adam_beta1');
  expect(spell('perDeviceTrainBatchSize', 'kebab')).toBe('per-device-train-batch-size');
  for (const { key, snake, kebab } of describeOptions(trainingOptionsSchema)) {
    expect(camelCase(snake)).toBe(key);
    expect(camelCase(kebab)).toBe(key);
  }
});

test('any spelling is understood, and an explicit 0 is a 0', () => {
  const options = parseTrainingOptions({
    learning_rate: 0,
    'max-grad-norm': 0,
    warmupSteps: 0,
    batch_size: 3,
    weight_decay: undefined,
  });
  expect(options).toMatchObject({
    learningRate: 0,
    maxGradNorm: 0,
    warmupSteps: 0,
    perDeviceTrainBatchSize: 3,
    weightDecay: 0.01,
  });
  expect(Object.isFrozen(options)).toBe(true);
  expect(Object.isFrozen(trainingDefaults)).toBe(true);
});

test.each([
  [{ learning_rate: -1 }, 'learning_rate'],
  [{ learning_rate: 'fast' }, 'learning_rate'],
  [{ learning_rate: NaN }, 'learning_rate'],
  [{ max_steps: 0 }, 'max_steps'],
  [{ max_steps: 1.5 }, 'max_steps'],
  [{ lora_dropout: 1 }, 'lora_dropout'],
  [{ lora_r: 0 }, 'lora_r'],
  [{ adam_beta2: 1 }, 'adam_beta2'],
  [{ lr_scheduler_type: 'polynomial' }, 'lr_scheduler_type'],
  [{ target_modules: [] }, 'target_modules'],
  [{ learning_rat: 1 }, 'learning_rat'],
])('%o is refused and names the field', (input, field) => {
  expect(() => parseTrainingOptions(input)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', field }),
  );
});

test('an error names the option as the command line spells it', () => {
  expect(() => parseTrainingOptions({ learningRate: -1 }, 'kebab')).toThrow(
    expect.objectContaining({ field: 'learning-rate', value: '-1' }),
  );
});

test('steps win over epochs, and epochs are counted in steps', () => {
  expect(totalSteps({ maxSteps: 7, numTrainEpochs: 3 }, 10)).toBe(7);
  expect(totalSteps({ maxSteps: undefined, numTrainEpochs: 1.5 }, 10)).toBe(15);
  expect(totalSteps({ maxSteps: undefined, numTrainEpochs: undefined }, 10)).toBe(500);
});

test('one ratio and many ratios exclude each other', () => {
  expect(() => parseOptions(compressionOptionsSchema, { ratio: 0.5, ratios: { '.*': 0.5 } })).toThrow(
    expect.objectContaining({ field: 'ratios' }),
  );
});
