import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keep, liveTensors, startEngine, tensor } from '@emloc/engine';
import { openModel, openWeights, type TokenRow, type WeightSource } from '@emloc/models';
import { beforeAll, describe, expect, test } from 'vitest';
import { decoderLinears } from '../decoder-linears.ts';
import { LoraAdapter } from '../lora/lora-adapter.ts';
import { parseTrainingOptions } from '../options/training-options.ts';
import { temporaryDirectory, tinyLlama, goldenPlan } from '../testing/fixture.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { readCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.ts';
import { train, type TrainRequest } from './train.ts';
import type { TrainingEvent } from './training-event.ts';
import { cyclicPlan } from './training-plan.ts';

beforeAll(() => startEngine());

const row = (...ids: number[]): TokenRow => ({
  inputIds: ids,
  labels: ids.map((id, t) => (t === 0 ? -100 : id)),
});
const plan = cyclicPlan([
  [[row(1, 5, 9, 3), row(1, 8, 2)], [row(7, 7, 4, 4, 1)]],
  [[row(2, 3, 5, 7, 11)], [row(13, 17), row(19, 23, 29)]],
  [[row(1, 5, 9, 3, 12)], [row(30, 2)]],
]);

const tinySource = (options = {}): WeightSource =>
  openWeights(openModel(writeTinyModel(join(temporaryDirectory(), 'model'), options)), { mode: 'resident' });

const newAdapter = (source: WeightSource, loraDropout = 0): LoraAdapter =>
  LoraAdapter.initialize(
    decoderLinears(source),
    { r: 2, loraAlpha: 2, loraDropout, targetModules: 'all-linear' },
    3,
  );

const optionsOf = (input: Record<string, unknown>) => parseTrainingOptions({ learning_rate: 1e-2, ...input });

describe('a run that goes on from a checkpoint', () => {
  test('gives bit for bit what the run without a stop gives, dropout, evaluation and best included', async () => {
    const source = tinySource();
    const options = optionsOf({ max_steps: 20, lora_dropout: 0.2, eval_steps: 3, save_steps: 10 });
    const evaluationRows = [row(1, 5, 9, 3), row(2, 3, 5)];
    const base = { source, plan, options, evaluationRows };

    using whole = newAdapter(source, 0.2);
    const full = await train({ ...base, adapter: whole });

    using first = newAdapter(source, 0.2);
    const path = join(temporaryDirectory(), 'checkpoint.safetensors');
    const stop = new AbortController();
    const half = train({
      ...base,
      adapter: first,
      signal: stop.signal,
      saveCheckpoint: (checkpoint) => writeCheckpoint(path, checkpoint),
      onEvent: (event) => void (event.kind === 'checkpoint' && event.step === 10 && stop.abort()),
    });
    await expect(half).rejects.toMatchObject({ code: 'CANCELLED' });
    using second = newAdapter(source, 0.2);
    const resume = readCheckpoint(path);
    expect(resume.step).toBe(10);
    const rest = await train({ ...base, adapter: second, resume });
    expect(rest.losses).toEqual(full.losses.slice(10));
    expect(rest.gradNorms).toEqual(full.gradNorms.slice(10));
    expect(rest.best).toEqual(full.best);
    expect(second.values()).toEqual(whole.values());
    source.close();
  });

  test('is refused with other options, data or modules', async () => {
    const source = tinySource();
    const options = optionsOf({ max_steps: 4, save_steps: 2 });
    let checkpoint: Checkpoint | undefined;
    using adapter = newAdapter(source);
    const request = { source, adapter, plan, options };
    await train({ ...request, saveCheckpoint: (c) => void (checkpoint ??= c) });
    const resume = checkpoint as Checkpoint;
    const refused = (change: Partial<TrainRequest>, field: string) =>
      expect(train({ ...request, resume, ...change })).rejects.toMatchObject({
        reason: 'CHECKPOINT_MISMATCH',
        field,
      });
    await refused({ options: optionsOf({ max_steps: 4, save_steps: 2, seed: 1 }) }, 'seed');
    await refused({ plan: { ...plan, digest: 'other' } }, 'data');
    await refused({ firstBatch: 1 }, 'firstBatch');
    await expect(
      train({ ...request, resume, options: optionsOf({ max_steps: 4, save_steps: 1 }) }),
    ).resolves.toMatchObject({
      steps: 4,
    });
    source.close();
  });
});

test('a cancelled run keeps every finished step', async () => {
  const source = tinySource();
  using adapter = newAdapter(source);
  const saved: number[] = [];
  const stop = new AbortController();
  const run = train({
    source,
    adapter,
    plan,
    options: optionsOf({ max_steps: 50, save_steps: 0 }),
    signal: stop.signal,
    saveCheckpoint: ({ step }) => void saved.push(step),
    onEvent: (event) => void (event.kind === 'step' && event.step === 6 && stop.abort()),
  });
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(saved).toEqual([7]);
  source.close();
});

test('a loss that turns NaN stops the run, says at which step, and leaves adapter and checkpoint as they were', async () => {
  const source = tinySource();
  using adapter = newAdapter(source);
  const saved: Checkpoint[] = [];
  const steps: TrainingEvent[] = [];
  const run = train({
    source,
    adapter,
    plan,
    options: optionsOf({
      max_steps: 50,
      save_steps: 1,
      learning_rate: 1e30,
      warmup_steps: 2,
      max_grad_norm: 0,
    }),
    saveCheckpoint: (checkpoint) => void saved.push(checkpoint),
    onEvent: (event) => void (event.kind === 'step' && steps.push(event)),
  });
  const error: unknown = await run.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'LOSS_NOT_FINITE',
    message: expect.stringContaining(`of step ${steps.length + 1} is`),
    mend: expect.stringContaining('lower the learning rate'),
    metadata: { step: String(steps.length + 1) },
  });
  expect(saved.at(-1)?.step).toBe(steps.length);
  expect(Float64Array.from(saved.at(-1)?.parameters ?? [])).toEqual(adapter.values());
  source.close();
});

test('a loss that is not finite before anything was learned is not laid at the learning rate', async () => {
  const source = tinySource();
  using adapter = newAdapter(source);
  adapter.replaceParameters(keep(tensor(adapter.values().fill(Number.NaN), adapter.parameters.shape, 'f32')));
  const run = train({ source, adapter, plan, options: optionsOf({ max_steps: 2 }) });
  await expect(run).rejects.toMatchObject({
    reason: 'LOSS_NOT_FINITE',
    message: expect.stringContaining('of step 1 is NaN'),
    mend: expect.stringContaining('check the weights'),
  });
  source.close();
});

test('the best evaluated adapter comes back, and patience ends a run that gets worse', async () => {
  const source = tinySource();
  using adapter = newAdapter(source);
  const evaluations: { step: number; loss: number; isBest: boolean }[] = [];
  const result = await train({
    source,
    adapter,
    plan,
    // Trained on one thing and evaluated on another: soon worse.
    evaluationRows: [row(31, 30, 29, 28), row(20, 21, 22, 23)],
    options: optionsOf({ max_steps: 200, eval_steps: 2, early_stopping_patience: 3, learning_rate: 0.1 }),
    onEvent: (event) => void (event.kind === 'evaluation' && evaluations.push(event)),
  });
  expect(result.stoppedEarly).toBe(true);
  expect(result.steps).toBeLessThan(200);
  const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
  expect(result.best).toEqual({ step: best.step, loss: best.loss });
  expect(evaluations.slice(-3).every(({ isBest }) => !isBest)).toBe(true);
  expect(result.moments).toBeUndefined();
  source.close();
});

test('streamed weights give the losses and the adapter that resident ones give', async () => {
  const model = openModel(tinyLlama);
  const options = optionsOf({ max_steps: 3, learning_rate: 1e-3 });
  const results = [];
  for (const mode of ['resident', 'streamed'] as const) {
    const source = openWeights(model, { mode });
    using adapter = newAdapter(source);
    const { losses } = await train({ source, adapter, plan: goldenPlan(2), options });
    results.push({ losses, values: adapter.values() });
    source.close();
  }
  expect(results[0]).toEqual(results[1]);
});

test('moments go on in a later run: two halves with them are one run of constant rate', async () => {
  const source = tinySource();
  const constant = { lr_scheduler_type: 'constant' };
  using whole = newAdapter(source);
  const full = await train({
    source,
    adapter: whole,
    plan,
    options: optionsOf({ max_steps: 8, ...constant }),
  });
  using adapter = newAdapter(source);
  const options = optionsOf({ max_steps: 4, ...constant });
  const { moments, losses } = await train({ source, adapter, plan, options });
  const rest = await train({ source, adapter, plan, options, moments, firstBatch: 4 });
  expect([...losses, ...rest.losses]).toEqual(full.losses);
  expect(adapter.values()).toEqual(whole.values());
  source.close();
});

test('1,000 steps leave nothing behind', async () => {
  const before = liveTensors().count;
  const source = tinySource({ hidden: 8, intermediate: 8 });
  const adapter = newAdapter(source);
  const counts = new Set<number>();
  const { steps } = await train({
    source,
    adapter,
    plan: cyclicPlan([[[row(1, 5, 9, 3)]], [[row(13, 17)]]]),
    options: optionsOf({ max_steps: 1000, save_steps: 0 }),
    onEvent: (event) => void (event.kind === 'step' && event.step > 3 && counts.add(liveTensors().count)),
  });
  expect(steps).toBe(1000);
  expect(counts.size).toBe(1);
  adapter.dispose();
  source.close();
  expect(liveTensors().count).toBe(before);
}, 240_000);

test('a checkpoint is whole or not there, and what is none is refused', async () => {
  const path = join(temporaryDirectory(), 'missing', 'checkpoint.safetensors');
  const source = tinySource();
  using adapter = newAdapter(source);
  const run = train({
    source,
    adapter,
    plan,
    options: optionsOf({ max_steps: 1 }),
    saveCheckpoint: (checkpoint) => writeCheckpoint(path, checkpoint),
  });
  await expect(run).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(existsSync(path)).toBe(false);
  expect(() => readCheckpoint(join(tinyLlama, 'model.safetensors'))).toThrow(
    expect.objectContaining({ reason: 'BAD_CHECKPOINT' }),
  );
  source.close();
});

test('a step without any labelled token is refused', async () => {
  const source = tinySource();
  using adapter = newAdapter(source);
  const empty = cyclicPlan([[[{ inputIds: [1, 2, 3], labels: [-100, -100, -100] }]]]);
  await expect(
    train({ source, adapter, plan: empty, options: optionsOf({ max_steps: 1 }) }),
  ).rejects.toMatchObject({ reason: 'NO_LABELLED_TOKENS' });
  source.close();
});
