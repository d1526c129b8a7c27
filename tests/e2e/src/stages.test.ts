/** The stage commands, one after the other, on tiny-llama: each result against the golden numbers (PyTorch, float64). */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader } from '@emloc/tensor-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tinyLlama, Workplace } from './emloc.ts';
import {
  delta,
  distance,
  golden,
  goldenTensors,
  matrix,
  multiply,
  worst,
  writeCalibrationData,
  writeInitialAdapter,
  writeTrainingData,
} from './golden.ts';

const work = new Workplace();
let down: () => Promise<void>;

const grams = work.path('grams.safetensors');
const emulator = work.path('emulator');
const initial = work.path('initial');
const trained = work.path('trained');
const corrected = work.path('corrected');
const merged = work.path('merged');
const data = work.path('train.jsonl');

const trainingOptions = [
  '--data',
  data,
  '--adapter-init',
  initial,
  '--no-shuffle',
  '--max-steps',
  '20',
  '--max-grad-norm',
  '0',
];
const constantRate = ['--learning-rate', '1e-3', '--lr-scheduler-type', 'constant', '--weight-decay', '0'];

beforeAll(async () => {
  writeTrainingData(data);
  writeCalibrationData(work.path('calib.jsonl'));
  mkdirSync(initial);
  writeInitialAdapter(initial);
  down = await work.up();
});

afterAll(async () => {
  await down();
  await work.dispose();
});

test('calibrate: every Gram matrix is golden, once for linears that share an input', async () => {
  const result = await work.json(
    ...[
      'calibrate',
      '--model',
      tinyLlama,
      '--data',
      work.path('calib.jsonl'),
      '--samples',
      '8',
      '--output',
      grams,
    ],
  );
  expect(result).toMatchObject({ samples: 8, output: grams });
  const file = readSafetensorsHeader(grams);
  expect(JSON.parse(file.metadata['gram_of'] ?? '{}')).toEqual(golden.gramOf);
  const names = [...new Set(Object.values(golden.gramOf))];
  expect([...file.tensors.keys()].sort()).toEqual(names.sort());
  const distances = names.map((name) => distance(matrix(file, name), matrix(goldenTensors, name)));
  expect(Math.max(...distances)).toBeLessThan(4e-6);
});

test('compress: ranks and emulated weights are golden, and rank and truncation loss of every linear are printed', async () => {
  const result = await work.json<{ linears: { module: string; rank: number; truncation_loss: number }[] }>(
    ...['compress', '--model', tinyLlama, '--statistics', grams, '--ratio', '0.5', '--output', emulator],
  );
  expect(Object.fromEntries(result.linears.map(({ module, rank }) => [module, rank]))).toEqual(golden.rank);
  const file = readSafetensorsHeader(join(emulator, 'model.safetensors'));
  for (const { module, rank, truncation_loss } of result.linears) {
    const product = multiply(matrix(file, `${module}.u`), matrix(file, `${module}.v`));
    expect(distance(product, matrix(goldenTensors, `wprime.${module}`))).toBeLessThan(4e-4);
    const sigma = matrixRow(`sigma.${module}`).slice(rank);
    expect(truncation_loss).toBeCloseTo(Math.hypot(...sigma), 3);
  }
});

test('train: all 20 losses and gradient norms, and the trained deltas, are golden', async () => {
  const log = work.path('log.jsonl');
  const result = await work.json(
    ...[
      'train',
      '--emulator',
      emulator,
      '--output',
      trained,
      '--log',
      log,
      ...trainingOptions,
      ...constantRate,
    ],
    ...['--batch-size', '4', '--gradient-accumulation-steps', '1'],
  );
  expect(result).toMatchObject({ steps: 20 });
  const steps = readLines(log);
  expect(Object.keys(steps[0] ?? {}).sort()).toEqual([
    'grad_norm',
    'learning_rate',
    'loss',
    'step',
    'tokens',
  ]);
  expect(
    worst(
      steps.map(({ loss }) => loss),
      golden.training.loss,
    ),
  ).toBeLessThan(1.4e-5);
  expect(
    worst(
      steps.map(({ grad_norm }) => grad_norm),
      golden.training.gradNorm,
    ),
  ).toBeLessThan(2e-4);
  const adapter = readSafetensorsHeader(join(trained, 'adapter_model.safetensors'));
  for (const module of golden.lora.modules) {
    const expected = multiply(
      matrix(goldenTensors, `lora_B.${module}`),
      matrix(goldenTensors, `lora_A.${module}`),
    );
    expect(distance(delta(adapter, module), expected)).toBeLessThan(7e-4);
  }
});

test('train: the trajectory with warm-up, cosine, decay and clipping is golden, as 2 × 2 accumulation', async () => {
  const log = work.path('log-trainer-like.jsonl');
  await work.json(
    ...[
      'train',
      '--emulator',
      emulator,
      '--output',
      work.path('trainer-like'),
      '--log',
      log,
      ...trainingOptions.slice(0, -2),
    ],
    ...[
      '--learning-rate',
      '2e-3',
      '--lr-scheduler-type',
      'cosine',
      '--warmup-steps',
      '3',
      '--weight-decay',
      '0.01',
    ],
    ...['--max-grad-norm', '2.645', '--batch-size', '2', '--gradient-accumulation-steps', '2'],
  );
  const steps = readLines(log);
  expect(steps.map(({ learning_rate }) => learning_rate)).toEqual(
    golden.trainerLike.lr.map((lr) => expect.closeTo(lr, 9)),
  );
  expect(
    worst(
      steps.map(({ loss }) => loss),
      golden.trainerLike.loss,
    ),
  ).toBeLessThan(1.4e-5);
  expect(
    worst(
      steps.map(({ grad_norm }) => grad_norm),
      golden.trainerLike.gradNorm,
    ),
  ).toBeLessThan(2.2e-4);
});

test('correct: the corrected deltas are golden', async () => {
  const result = await work.json<{ linears: { clamped_rows: number; rows: number }[] }>(
    ...['correct', '--model', tinyLlama, '--emulator', emulator, '--adapter', trained, '--output', corrected],
  );
  expect(result).toMatchObject({ method: 'paper' });
  expect(result.linears.reduce((sum, { clamped_rows }) => sum + clamped_rows, 0)).toBe(57);
  expect(result.linears.reduce((sum, { rows }) => sum + rows, 0)).toBe(96);
  const adapter = readSafetensorsHeader(join(corrected, 'adapter_model.safetensors'));
  for (const module of golden.lora.modules) {
    expect(distance(delta(adapter, module), matrix(goldenTensors, `delta.corrected.${module}`))).toBeLessThan(
      2.2e-3,
    );
  }
});

test('correct --method auto: the chosen candidate is never worse on the held-out rows than none', async () => {
  const { candidates, chosen } = await work.json<{
    candidates: { name: string; loss: number; chosen: boolean }[];
    chosen: string;
  }>(
    ...['correct', '--model', tinyLlama, '--emulator', emulator, '--adapter', trained],
    ...['--eval-data', data, '--output', work.path('auto')],
  );
  const best = candidates.find((candidate) => candidate.chosen);
  const none = candidates.find(({ name }) => name === 'none');
  expect(best?.name).toBe(chosen);
  expect(best?.loss).toBeLessThanOrEqual(none?.loss ?? Number.NaN);
});

test('merge and evaluate: the merged model is the model with the adapter', async () => {
  await work.json('merge', '--model', tinyLlama, '--adapter', corrected, '--output', merged);
  const apart = await work.json(
    'evaluate',
    '--model',
    tinyLlama,
    '--adapter',
    corrected,
    '--data',
    data,
    '--precision',
    'f32',
  );
  const together = await work.json('evaluate', '--model', merged, '--data', data, '--precision', 'f32');
  const plain = await work.json('evaluate', '--model', tinyLlama, '--data', data, '--precision', 'f32');
  expect(apart).toMatchObject({ rows: 20 });
  expect(together['loss']).toBeCloseTo(apart['loss'] as number, 5);
  expect(together['loss']).not.toBeCloseTo(plain['loss'] as number, 2);
  expect(apart['perplexity']).toBeCloseTo(Math.exp(apart['loss'] as number), 1);
});

test('a table is printed where --json is not given, and nothing but it on stdout', async () => {
  const { code, stdout, stderr } = await work.run(
    'evaluate',
    '--emulator',
    emulator,
    '--data',
    data,
    '--no-exact-match',
  );
  expect(code).toBe(0);
  expect(stdout.split('\n')[0]).toMatch(/^loss {2,}\d/);
  expect(stdout).toContain('perplexity');
  expect(stdout).not.toContain('\u001b');
  expect(stderr).not.toContain('\u001b');
});

test('an emulator of another model and an adapter that was corrected already are refused', async () => {
  const other = await work.run(
    'correct',
    '--model',
    merged,
    '--emulator',
    emulator,
    '--adapter',
    trained,
    '--output',
    work.path('no'),
  );
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(/^error: --emulator: .* was made of another model/m);
  const again = await work.run(
    'correct',
    '--model',
    tinyLlama,
    '--emulator',
    emulator,
    '--adapter',
    corrected,
    '--output',
    work.path('no'),
  );
  expect(again.code).toBe(1);
  expect(again.stderr).toMatch(/^error: --adapter: .* was corrected already/m);
});

test('--server: inputs are sent by digest, results come back the same', async () => {
  const mesh = JSON.parse(readFileSync(join(work.home, 'mesh.json'), 'utf8')) as {
    addresses: { coordinator: string };
  };
  const away = ['--server', mesh.addresses.coordinator];
  const there = ['--model', tinyLlama, ...away];
  await work.json(
    'compress',
    ...there,
    '--statistics',
    grams,
    '--ratio',
    '0.5',
    '--output',
    work.path('emulator-away'),
  );
  const weights = (directory: string): Buffer => readFileSync(join(directory, 'model.safetensors'));
  expect(weights(work.path('emulator-away')).equals(weights(emulator))).toBe(true);
  const far = await work.json(
    'evaluate',
    ...there,
    '--adapter',
    corrected,
    '--data',
    data,
    '--precision',
    'f32',
  );
  const near = await work.json(
    'evaluate',
    '--model',
    tinyLlama,
    '--adapter',
    corrected,
    '--data',
    data,
    '--precision',
    'f32',
  );
  expect(far['loss']).toBe(near['loss']);
  await work.json('merge', ...there, '--adapter', corrected, '--output', work.path('merged-away'));
  expect(weights(work.path('merged-away')).equals(weights(merged))).toBe(true);
});

function readLines(
  path: string,
): Record<'step' | 'loss' | 'grad_norm' | 'learning_rate' | 'tokens', number>[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function matrixRow(name: string): number[] {
  return [...matrix(goldenTensors, name).values];
}
