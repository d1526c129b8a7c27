import { expect, test } from 'vitest';
import { planJob, type TrainingOutlook } from './plan.ts';
import {
  compressionRequest,
  evaluationRequest,
  planRequest,
  refinementRequest,
  trainingRequest,
} from './requests.ts';
import type { SpecFields } from './spec.ts';

const spec: SpecFields = {
  model: { path: '/m' },
  dataset: { source: { path: '/d' } },
  training: { learningRate: 1e-3, seed: 7 },
};
const outlook = { totalSteps: 120, rows: 10, evalRows: 2, inferencePeakBytes: 100 } as TrainingOutlook;
const plan = planJob(spec, outlook);
const reference = (digest: string) => ({ digest, uri: `/store/${digest}`, byteSize: 1 });
const trained = { adapter: reference('a'), optimizer: reference('o') } as never;
const held = { part: 'SPLIT_PART_HELD_OUT', rows: 64, seed: 7 };
const rest = { part: 'SPLIT_PART_TRAIN', rows: 64, seed: 7 };

test('half of all steps are exact unless told otherwise, and all of them need no emulator', () => {
  expect(plan).toMatchObject({ emulatorSteps: 60, refineSteps: 60 });
  expect(planJob({ ...spec, refineSteps: 0 }, outlook)).toMatchObject({ emulatorSteps: 120, refineSteps: 0 });
  for (const all of [{ refineSteps: 120 }, { compression: { ratio: 1 } }]) {
    expect(planJob({ ...spec, ...all }, outlook)).toMatchObject({ emulatorSteps: 0, refineSteps: 0 });
  }
  expect(() => planJob({ ...spec, refineSteps: 121 }, outlook)).toThrow(
    expect.objectContaining({ field: 'spec.refine_steps' }),
  );
});

test('rows that choose are not trained on', () => {
  expect(planRequest(spec)).toMatchObject({ dataset: { split: rest }, evalDataset: { split: held } });
  const own = { ...spec, evalDataset: { source: { path: '/e' } } };
  expect(planRequest(own)).toMatchObject({ dataset: spec.dataset, evalDataset: own.evalDataset });
  expect(compressionRequest(spec)).toMatchObject({
    options: { ratio: 0.5 },
    statistics: { calibration: { options: { dataset: { split: rest } } } },
  });
});

test('evaluation rows go to training only where it evaluates', () => {
  expect(trainingRequest(spec, plan, reference('e'))).toMatchObject({
    emulator: { artifact: { digest: 'e' } },
    options: { maxSteps: 60, learningRate: 1e-3 },
  });
  expect(trainingRequest(spec, plan, reference('e'))['evalDataset']).toBeUndefined();
  const evaluates = { ...spec, training: { ...spec.training, evalSteps: 5 } };
  expect(trainingRequest(evaluates, plan, undefined)).toMatchObject({
    model: spec.model,
    evalDataset: { split: held },
  });
});

test('exact steps go on in the data, warm up anew, and keep the moments of factors that did not change', () => {
  const request = refinementRequest(spec, plan, trained, undefined);
  expect(request).toMatchObject({
    adapterInit: { artifact: { digest: 'a' } },
    optimizerInit: { artifact: { digest: 'o' } },
    options: { maxSteps: 60, dataStartStep: 60, warmupSteps: 2, learningRate: 8e-4, seed: 7 },
  });
  const corrected = { adapter: reference('c'), changed: true } as never;
  const anew = refinementRequest(spec, plan, trained, corrected);
  expect(anew).toMatchObject({ adapterInit: { artifact: { digest: 'c' } } });
  expect(anew['optimizerInit']).toBeUndefined();
});

test('held-out rows are measured with a layer in memory at a time', () => {
  const request = evaluationRequest(spec, reference('a'), 'select');
  expect(request).toMatchObject({ weightLoading: 'WEIGHT_LOADING_STREAMED', exactMatch: false });
});
