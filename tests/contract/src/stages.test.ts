/** The stages one after the other on the fixture, each against the golden numbers, each in a process of its own. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader, TensorAssembler } from '@emloc/tensor-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deltaOf, writeInitialAdapter } from './support/adapters.ts';
import {
  distance,
  golden,
  goldenMatrix,
  logProbabilities,
  matrixIn,
  matrixOf,
  multiply,
  probe,
  type Matrix,
} from './support/golden.ts';
import { StageClient, type OperationMessage } from './support/operations.ts';
import { fixture, TestMesh } from './support/test-mesh.ts';

/** Ten times what PyTorch's float32 is from the float64 numbers (README of the fixture). */
const tolerance = {
  gram: 4e-6,
  wprime: 4.2e-4,
  delta: 6.8e-4,
  correctedDelta: 2.2e-3,
  loss: 1.4e-5,
  logProb: 2e-4,
};

let mesh: TestMesh;
let calibration: StageClient;
let compression: StageClient;
let training: StageClient;
let correction: StageClient;
let inference: StageClient;

beforeAll(async () => {
  mesh = await TestMesh.start(['calibration', 'compression', 'training', 'correction', 'inference']);
  calibration = new StageClient(mesh, 'calibration');
  compression = new StageClient(mesh, 'compression');
  training = new StageClient(mesh, 'training');
  correction = new StageClient(mesh, 'correction');
  inference = new StageClient(mesh, 'inference');
});
afterAll(() => mesh?.stop());

const model = { path: fixture };
const rows = (name: string): object => ({ source: { path: join(fixture, name) } });
const artifact = ({ digest }: { readonly digest: string }): object => ({ artifact: { digest } });
const calibrationOptions = { dataset: rows('calib.jsonl') };

async function streamedGrams(options: object): Promise<Map<string, Matrix>> {
  const grams = new Map<string, Matrix>();
  const assembler = new TensorAssembler();
  const steps: string[] = [];
  for await (const message of calibration.call['calibrate']!({ model, options })) {
    if (steps.at(-1) !== message.step) steps.push(message.step);
    const whole = message.step === 'frame' ? assembler.push(message.frame) : undefined;
    if (whole) grams.set(whole.info.name, matrixOf(whole.bytes, whole.info.dtype, whole.info.shape));
    if (message.step === 'plan') expect(message.plan.gramOf).toEqual(golden.gramOf);
  }
  expect(steps[0]).toBe('plan');
  expect(steps.at(-1)).toBe('finished');
  return grams;
}

test('Grams stream layer by layer, and those of two shards add up to those of all samples', async () => {
  const whole = await streamedGrams(calibrationOptions);
  expect(whole.size).toBe(new Set(Object.values(golden.gramOf)).size);
  for (const [name, gram] of whole) expect(distance(gram, goldenMatrix(name))).toBeLessThan(tolerance.gram);
  const shards = [];
  for (const shardIndex of [0, 1])
    shards.push(await streamedGrams({ ...calibrationOptions, shardIndex, shardCount: 2 }));
  const name = 'gram.model.layers.2.mlp.down_proj';
  const [a, b] = shards.map((shard) => shard.get(name)) as [Matrix, Matrix];
  const sum = { ...a, values: a.values.map((value, i) => value + (b.values[i] ?? 0)) };
  expect(distance(sum, goldenMatrix(name))).toBeLessThan(tolerance.gram);
});

let statistics: { readonly digest: string; readonly uri: string };

test('a calibration is an operation whose artifact holds the Grams', async () => {
  const request = { operationId: 'calibrate-1', model, options: calibrationOptions };
  const { result, usage } = await calibration.run('startCalibration', request);
  statistics = result!.calibration!.statistics;
  expect(result).toMatchObject({ fromStore: false, calibration: { samples: 8 } });
  expect(result!.prediction!.peakResidentBytes).toBeGreaterThan(0);
  expect(usage!.peakResidentBytes).toBeGreaterThan(100e6);
  const file = readSafetensorsHeader(statistics.uri);
  expect(JSON.parse(file.metadata['gram_of']!)).toEqual(golden.gramOf);
  for (const name of file.tensors.keys()) {
    expect(distance(matrixIn(file, name), goldenMatrix(name))).toBeLessThan(tolerance.gram);
  }
});

let emulator: { readonly digest: string; readonly uri: string };

const expectGoldenEmulator = (directory: string): void => {
  const file = readSafetensorsHeader(join(directory, 'model.safetensors'));
  for (const [module, rank] of Object.entries(golden.rank)) {
    const u = matrixIn(file, `${module}.u`);
    expect(u.columns).toBe(rank);
    const product = multiply(u, matrixIn(file, `${module}.v`));
    expect(distance(product, goldenMatrix(`wprime.${module}`))).toBeLessThan(tolerance.wprime);
  }
};

test('compression from stored Grams gives the golden weights', async () => {
  const request = { model, statistics: { source: artifact(statistics) }, options: { ratio: 0.5 } };
  const { result } = await compression.run('startCompression', { operationId: 'compress-1', ...request });
  emulator = result!.compression!.emulator;
  expect(result!.compression!.linears).toHaveLength(28);
  expectGoldenEmulator(emulator.uri);
  const events = await compression.events('compress-1');
  expect(events.filter((event) => event['event'] === 'linearCompression')).toHaveLength(28);
  expect(events.map((event) => event['cursor'])).toEqual(events.map((_, i) => i + 1));
  const rest = await compression.events('compress-1', 5);
  expect(rest).toEqual(events.slice(5));
});

test('compression pulls Grams as they are made, and says what calibration used', async () => {
  const request = {
    model,
    statistics: { calibration: { options: calibrationOptions } },
    options: { ratio: 0.5 },
  };
  const { result } = await compression.run('startCompression', { operationId: 'compress-2', ...request });
  const made = result!.compression!;
  expectGoldenEmulator(made.emulator.uri);
  expect(made.calibrationUsage!.peakResidentBytes).toBeGreaterThan(100e6);
  expect(made.calibrationPrediction!.peakResidentBytes).toBeGreaterThan(0);
});

test('compression sums the Grams of two calibration services, a shard each', async () => {
  const addresses = [mesh.address('calibration'), await mesh.startReplica('calibration')];
  const stream = { calibration: { addresses, options: { ...calibrationOptions, samples: 8, seed: 42 } } };
  const request = { model, statistics: stream, options: { ratios: [{ pattern: '.*', ratio: 0.5 }] } };
  const { result } = await compression.run('startCompression', {
    operationId: 'compress-shards',
    ...request,
  });
  expect(result!.fromStore).toBe(false);
  expectGoldenEmulator(result!.compression!.emulator.uri);
});

test('what was done is not done again under another id', async () => {
  const request = { model, statistics: { source: artifact(statistics) }, options: { ratio: 0.5 } };
  const { result } = await compression.run('startCompression', { operationId: 'compress-3', ...request });
  expect(result).toMatchObject({ fromStore: true, compression: { emulator: { digest: emulator.digest } } });
});

let trained: { readonly digest: string; readonly uri: string };

test('20 steps on the emulator give the golden losses, gradient norms and adapter', async () => {
  const { result } = await training.run('startTraining', {
    operationId: 'train-1',
    emulator: artifact(emulator),
    dataset: rows('train.jsonl'),
    adapterInit: { path: writeInitialAdapter(join(mesh.home, 'initial-adapter')) },
    options: {
      learningRate: 1e-3,
      maxSteps: 20,
      batchSize: 4,
      gradientAccumulationSteps: 1,
      lrSchedulerType: 'LR_SCHEDULER_TYPE_CONSTANT',
      weightDecay: 0,
      maxGradNorm: 0,
      shuffle: false,
    },
  });
  const { adapter, log } = result!.training!;
  trained = adapter;
  const lines = readFileSync(log.uri, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(20);
  lines.forEach(({ step, loss, grad_norm: norm }, i) => {
    expect(step).toBe(i + 1);
    expect(Math.abs(loss / golden.training.loss[i]! - 1)).toBeLessThan(tolerance.loss);
    expect(Math.abs(norm / golden.training.gradNorm[i]! - 1)).toBeLessThan(2e-4);
  });
  for (const module of golden.lora.modules) {
    const expected = multiply(goldenMatrix(`lora_B.${module}`), goldenMatrix(`lora_A.${module}`));
    expect(distance(deltaOf(adapter.uri, module), expected)).toBeLessThan(tolerance.delta);
  }
});

test('the correction as published gives the golden deltas and clamp ratios', async () => {
  const request = { model, emulator: artifact(emulator), adapter: artifact(trained) };
  const { result } = await correction.run('startCorrection', { operationId: 'correct-1', ...request });
  const { adapter, chosen, linears, changed } = result!.correction!;
  expect({ chosen, changed }).toEqual({ chosen: 'paper λ=3', changed: true });
  for (const { module, clampRatios } of linears) {
    const expected = goldenMatrix(`delta.corrected.${module}`);
    expect(distance(deltaOf(adapter.uri, module), expected)).toBeLessThan(tolerance.correctedDelta);
    [...clampRatios]
      .sort((x, y) => x - y)
      .forEach((ratio, i) => {
        expect(Math.abs(ratio / golden.correction.clampRatio[module]![i]! - 1)).toBeLessThan(6.5e-3);
      });
  }
  const again = { operationId: 'correct-2', ...request, adapter: artifact(adapter) };
  await expect(correction.run('startCorrection', again)).rejects.toMatchObject({
    reason: 'ALREADY_CORRECTED',
  });
});

test('the choice by held-out loss is never worse than the uncorrected adapter', async () => {
  const { result } = await correction.run('startCorrection', {
    operationId: 'correct-auto',
    model,
    emulator: artifact(emulator),
    adapter: artifact(trained),
    heldOut: rows('train.jsonl'),
  });
  const { candidates, chosen } = result!.correction!;
  expect(candidates.map(({ name }) => name)).toEqual([
    'none',
    'none x1.25',
    'none x1.5',
    'paper λ=0.1',
    'paper λ=0.3',
    'paper λ=1',
    'paper λ=3',
  ]);
  const finalists = candidates.filter((each) => each.rows === 20);
  expect(finalists.map(({ name }) => name)).toContain('none');
  const best = Math.min(...finalists.map(({ loss }) => loss));
  expect(candidates.filter((each) => each.chosen)).toEqual([
    expect.objectContaining({ name: chosen, loss: best }),
  ]);
});

const score = async (request: object): Promise<number[]> => {
  for await (const row of inference.call['score']!({ rows: [{ ids: probe }], ...request }))
    return row.logProbabilities;
  return [];
};

const expectLogits = (name: string, logProbs: readonly number[]): void => {
  const expected = logProbabilities(goldenMatrix(name), probe);
  expect(logProbs).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(Math.abs(logProbs[i]! - value)).toBeLessThan(tolerance.logProb));
};

test('merging and scoring agree with the golden logits', async () => {
  const corrected = { path: join(fixture, 'adapter-corrected') };
  const merge = { operationId: 'merge-1', model, adapter: corrected };
  const { result } = await correction.run('startMerge', merge);
  expectLogits('logits.full', await score({ model }));
  expectLogits('logits.full', await score({ model, weightLoading: 'WEIGHT_LOADING_STREAMED' }));
  expectLogits('logits.emulator', await score({ emulator: artifact(emulator) }));
  expectLogits(
    'logits.emulator_trained',
    await score({ emulator: artifact(emulator), adapter: artifact(trained) }),
  );
  expectLogits('logits.merged', await score({ model, adapter: corrected }));
  expectLogits('logits.merged', await score({ model: artifact(result!.merge!.model) }));
});

test('an evaluation gives loss, exact matches and accuracy by choices', async () => {
  const first = JSON.parse(readFileSync(join(fixture, 'train.jsonl'), 'utf8').split('\n')[1]!) as {
    input_ids: number[];
    labels: number[];
  };
  const answer = first.input_ids.filter((_, i) => first.labels[i] !== -100);
  const other = answer.map((id) => (id + 1) % 256);
  const { result }: OperationMessage = await inference.run('startEvaluation', {
    operationId: 'evaluate-1',
    model,
    dataset: { ...rows('train.jsonl') },
  });
  expect(result!.evaluation).toMatchObject({ rows: 20, exactMatchRows: 20 });
  expect(result!.evaluation!.perplexity).toBeCloseTo(Math.exp(result!.evaluation!.loss), 6);
  const request = { model, dataset: rows('train.jsonl'), choiceIds: [{ ids: answer }, { ids: other }] };
  await expect(
    inference.run('startEvaluation', { operationId: 'evaluate-2', ...request }),
  ).rejects.toMatchObject({
    reason: 'ANSWER_NOT_A_CHOICE',
    field: expect.stringContaining('train.jsonl:1'),
  });
});

test('a model whose weights hold NaN has no loss, and is refused rather than measured', async () => {
  const broken = join(mesh.home, 'nan-model');
  cpSync(fixture, broken, { recursive: true });
  const file = readSafetensorsHeader(join(fixture, 'model.safetensors'));
  const bytes = readFileSync(file.path);
  bytes.writeFloatLE(NaN, file.tensors.get('model.layers.0.self_attn.q_proj.weight')!.begin + 400);
  writeFileSync(join(broken, 'model.safetensors'), bytes);
  await expect(
    inference.run('startEvaluation', {
      operationId: 'evaluate-nan',
      model: { path: broken },
      dataset: rows('train.jsonl'),
    }),
  ).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'NOT_FINITE', field: 'model' });
});
