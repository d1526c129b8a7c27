import { fileURLToPath } from 'node:url';
import { Fields, type SourceResolver } from '@emloc/service-kit';
import { expect, test } from 'vitest';
import { readTraining } from './requests.ts';

/** A data file, which is looked at when its format is asked for. */
const data = fileURLToPath(new URL('../../../tests/fixtures/tiny-llama/train.jsonl', import.meta.url));
const sources: SourceResolver = { resolve: async (fields) => ({ path: fields.requiredText('path') }) };
const read = (change: object): ReturnType<typeof readTraining> =>
  readTraining(
    new Fields({ emulator: { path: '/e' }, dataset: { source: { path: data } }, ...change }),
    sources,
  );

test('weights are streamed unless told otherwise', async () => {
  expect(await read({})).toMatchObject({
    weights: { path: '/e', kind: 'emulator' },
    weightLoading: 'streamed',
  });
  expect(await read({ emulator: null, model: { path: '/m' } })).toMatchObject({ weightLoading: 'streamed' });
  const told = { emulator: null, model: { path: '/m' }, weightLoading: 'WEIGHT_LOADING_RESIDENT' };
  expect(await read(told)).toMatchObject({ weights: { kind: 'model' }, weightLoading: 'resident' });
});

test("options are the method's own, an explicit 0 is a 0, and 0 evaluations of patience is never", async () => {
  const options = {
    learningRate: 0,
    maxGradNorm: 0,
    batchSize: 3,
    lrSchedulerType: 'LR_SCHEDULER_TYPE_CONSTANT',
    earlyStoppingPatience: 0,
  };
  const lora = { r: 4, targetModulesPattern: '.*q_proj' };
  const { options: read0, givesLora } = await read({ options, lora });
  expect(read0).toMatchObject({
    learningRate: 0,
    maxGradNorm: 0,
    perDeviceTrainBatchSize: 3,
    lrSchedulerType: 'constant',
    loraR: 4,
    targetModules: '.*q_proj',
    seed: 42,
  });
  expect(read0.earlyStoppingPatience).toBeUndefined();
  expect(givesLora).toBe(true);
  expect((await read({})).givesLora).toBe(false);
});

test.each([
  [{ emulator: null }, 'model'],
  [{ options: { batchSize: 0 } }, 'options.batch_size'],
  [{ options: { adamBeta1: 1 } }, 'options.adam_beta1'],
  [{ options: { dataStartStep: -1 } }, 'options.data_start_step'],
  [{ lora: { r: 0 } }, 'lora.r'],
  [{ lora: { loraAlpha: 0 } }, 'lora.lora_alpha'],
  [{ lora: { targetModules: ['q_proj'], targetModulesPattern: '.*' } }, 'lora.target_modules_pattern'],
  [{ options: { evalSteps: 5 } }, 'eval_dataset'],
  [{ optimizerInit: { path: '/o' } }, 'adapter_init'],
])('%o is refused', async (change, field) => {
  await expect(read(change)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    field,
    mend: expect.any(String),
  });
});
