/** Directories in, directories out: compression, correction, choice and merge, and what they refuse. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { liveTensors, startEngine } from '@emloc/engine';
import { openModel, openWeights, type ModelDirectory, type TokenRow } from '@emloc/models';
import { fromBf16Bits, readSafetensorsHeader, readTensorBytes } from '@emloc/tensor-stream';
import { beforeAll, expect, test } from 'vitest';
import {
  assertCorrectable,
  bestOf,
  calibrateLayers,
  chooseAdapter,
  compressModel,
  correctAdapter,
  cyclicPlan,
  decoderLinears,
  evaluate,
  LoraAdapter,
  measureInference,
  measurePeak,
  mergeModel,
  parseTrainingOptions,
  train,
} from './index.ts';
import { StoredWeights } from './directory/stored-weights.ts';
import { randomNumbers, temporaryDirectory } from './testing/fixture.ts';
import { writeTinyModel } from './testing/tiny-model.ts';

beforeAll(() => startEngine());

const row = (...ids: number[]): TokenRow => ({
  inputIds: ids,
  labels: ids.map((id, t) => (t < 2 ? -100 : id)),
});
const rows = [row(1, 5, 9, 3, 7), row(1, 8, 2, 11), row(4, 4, 6, 30, 11, 2), row(9, 9, 9, 1)];

interface Made {
  readonly directory: string;
  readonly model: ModelDirectory;
  readonly emulator: ModelDirectory;
}

async function make(options: Parameters<typeof writeTinyModel>[1] = {}): Promise<Made> {
  const directory = temporaryDirectory();
  const model = openModel(writeTinyModel(join(directory, 'model'), { layers: 2, hidden: 32, ...options }));
  const source = openWeights(model, { mode: 'streamed' });
  const out = join(directory, 'emulator');
  await compressModel({ model, grams: calibrateLayers(source, rows), ratios: { ratio: 0.5 }, out });
  source.close();
  return { directory, model, emulator: openModel(out) };
}

const randomAdapter = (model: ModelDirectory, spread = 0.2): LoraAdapter => {
  const settings = { r: 2, loraAlpha: 4, loraDropout: 0, targetModules: 'all-linear' };
  using fresh = LoraAdapter.initialize(decoderLinears(model), settings, 1);
  return LoraAdapter.fromValues(
    settings,
    fresh.layout,
    randomNumbers(fresh.layout.size, 5).map((x) => spread * x),
  );
};

test.each(['f32', 'bf16'] as const)('an emulator directory is complete in itself (%s)', async (dtype) => {
  const before = liveTensors().count;
  const { model, emulator } = await make({ dtype, shards: 2 });
  expect(readdirSync(emulator.dir).sort()).toEqual([
    'config.json',
    'emloc.json',
    'model.safetensors',
    'tokenizer_config.json',
  ]);
  expect(emulator.emulator).toMatchObject({
    original: { name: 'model', digest: await model.digest() },
    method: 'activation-svd',
    ratios: { '.*': 0.5 },
  });
  const q = 'model.layers.0.self_attn.q_proj';
  const { rank } = emulator.emulator?.modules[q] ?? { rank: 0 };
  expect(emulator.tensors.get(`${q}.u`)).toMatchObject({ dtype, shape: [32, rank] });
  expect(emulator.tensors.get(`${q}.v`)).toMatchObject({ dtype, shape: [rank, 32] });
  expect(emulator.tensors.has(`${q}.weight`)).toBe(false);
  const [was, is] = [model, emulator].map((m) => {
    const at = m.tensors.get('model.embed_tokens.weight');
    return readTensorBytes(readSafetensorsHeader(at?.file ?? ''), 'model.embed_tokens.weight');
  });
  expect(is).toEqual(was);
  expect(liveTensors().count).toBe(before);
});

test('what compression refuses leaves nothing behind', async () => {
  const { directory, model, emulator } = await make();
  const source = openWeights(model, { mode: 'streamed' });
  const out = join(directory, 'other');
  const grams = () => calibrateLayers(source, rows);
  const refused = (change: Partial<Parameters<typeof compressModel>[0]>, expected: object) =>
    expect(
      compressModel({ model, grams: grams(), ratios: { ratio: 0.5 }, out, ...change }),
    ).rejects.toMatchObject(expected);
  await refused({ ratios: { ratio: 1.5 } }, { reason: 'RATIO_OUT_OF_RANGE' });
  await refused({ grams: undefined }, { reason: 'NO_STATISTICS' });
  await refused({ model: emulator }, { reason: 'IS_AN_EMULATOR' });
  await refused({ out: emulator.dir }, { code: 'ALREADY_EXISTS', reason: 'OUTPUT_EXISTS' });
  const modules = new Set(['model.layers.0.self_attn.q_proj']);
  await refused({ grams: calibrateLayers(source, rows, { modules }) }, { reason: 'BAD_STATISTICS' });
  const stop = new AbortController();
  await refused({ signal: stop.signal, onLinear: () => stop.abort() }, { code: 'CANCELLED' });
  writeFileSync(join(directory, 'file'), '');
  await refused({ out: join(directory, 'file') }, { reason: 'OUTPUT_EXISTS' });
  expect(readdirSync(directory).sort()).toEqual(['emulator', 'file', 'model']);
  source.close();
});

test('plain SVD needs no Grams, some linears may stay full, and overwriting must be asked for', async () => {
  const { directory, model } = await make();
  const ratios = { ratios: { '.*mlp.*': 0.5, '.*': 1 } };
  const out = join(directory, 'emulator');
  const reports = await compressModel({ model, ratios, method: 'svd', out, overwrite: true });
  expect(reports.map(({ module }) => module.split('.').at(-1))).toEqual(
    Array(2).fill(['gate_proj', 'up_proj', 'down_proj']).flat(),
  );
  const emulator = openModel(out);
  expect(emulator.isFactored('model.layers.0.mlp.up_proj')).toBe(true);
  expect(emulator.isFactored('model.layers.0.self_attn.q_proj')).toBe(false);
  expect(readdirSync(directory).sort()).toEqual(['emulator', 'model']);
});

test('correction refuses another model’s emulator, what is none, and what was corrected already', async () => {
  const { directory, model, emulator } = await make();
  using adapter = randomAdapter(model);
  const other = openModel(writeTinyModel(join(directory, 'other'), { layers: 2, hidden: 32, seed: 9 }));
  const refused = (original: ModelDirectory, emulated: ModelDirectory, reason: string) =>
    expect(correctAdapter({ original, emulator: emulated, adapter })).rejects.toMatchObject({ reason });
  await refused(other, emulator, 'EMULATOR_MISMATCH');
  await refused(model, model, 'NOT_AN_EMULATOR');
  await refused(emulator, emulator, 'IS_AN_EMULATOR');
  await expect(assertCorrectable({ correction: { method: 'paper' } }, emulator)).rejects.toMatchObject({
    reason: 'ALREADY_CORRECTED',
  });
  await expect(assertCorrectable({ refinedSteps: 3 }, emulator)).rejects.toMatchObject({
    reason: 'ALREADY_CORRECTED',
  });
  await expect(assertCorrectable({ emulator: 'sha256:other' }, emulator)).rejects.toMatchObject({
    reason: 'EMULATOR_MISMATCH',
  });
  await expect(assertCorrectable({ emulator: await emulator.digest() }, emulator)).resolves.toBeUndefined();
});

test('the chosen adapter is the best of all on the held-out rows, as each does alone', async () => {
  const { model, emulator } = await make();
  const before = liveTensors().count;
  const trained = openWeights(emulator, { mode: 'resident' });
  const settings = { r: 2, loraAlpha: 2, loraDropout: 0, targetModules: 'all-linear' };
  const adapter = LoraAdapter.initialize(decoderLinears(model), settings, 1);
  const options = parseTrainingOptions({ max_steps: 20, learning_rate: 1e-2 });
  await train({ source: trained, adapter, plan: cyclicPlan([[rows]]), options });
  trained.close();
  const source = openWeights(model, { mode: 'streamed' });
  const choice = await chooseAdapter({ original: model, emulator, source, adapter, rows });
  const losses = choice.scores.map(({ evaluation }) => evaluation.loss);
  expect(losses).toHaveLength(7);
  expect((await evaluate(source, choice.adapter, rows)).loss).toBeCloseTo(Math.min(...losses), 5);
  expect((await evaluate(source, adapter, rows)).loss).toBeCloseTo(losses[0] ?? NaN, 6);
  choice.adapter.dispose();
  adapter.dispose();
  source.close();
  expect(liveTensors().count).toBe(before);
});

test('with many rows all candidates are screened on some, and the uncorrected one is always compared on all', async () => {
  const { model, emulator } = await make();
  const source = openWeights(model, { mode: 'streamed' });
  using adapter = randomAdapter(model);
  const many = Array.from({ length: 12 }, (_, i) => row(1, i + 2, 9, 3 + i, 7));
  const choose = (screeningRows: number) =>
    chooseAdapter({ original: model, emulator, source, adapter, rows: many, screeningRows });
  const [screened, whole] = [await choose(4), await choose(12)];
  expect(screened.scores.map(({ evaluation, isFinalist }) => [evaluation.rows, isFinalist]).sort()).toEqual(
    [...Array(3).fill([12, true]), ...Array(4).fill([4, false])].sort(),
  );
  expect(screened.scores[0]?.isFinalist).toBe(true);
  for (const [i, { evaluation, isFinalist }] of screened.scores.entries()) {
    if (isFinalist) expect(evaluation.loss).toBeCloseTo(whole.scores[i]?.evaluation.loss ?? NaN, 5);
  }
  expect(whole.scores.every(({ isFinalist }) => isFinalist)).toBe(true);
  screened.adapter.dispose();
  whole.adapter.dispose();
  source.close();
});

test('of equal candidates the plainest wins, and NaN never does', () => {
  const score = (name: string, loss: number) => ({ name, evaluation: { loss } });
  expect(bestOf([score('a', 1), score('b', 1)]).name).toBe('a');
  expect(bestOf([score('a', NaN), score('b', 2), score('c', 3)]).name).toBe('b');
  expect(bestOf([score('a', NaN), score('b', NaN)]).name).toBe('a');
});

test('merging rounds once to the checkpoint’s type, keeps shards and files, and leaves other tensors alone', async () => {
  const before = liveTensors().count;
  const { directory, model } = await make({ dtype: 'bf16', shards: 2 });
  writeFileSync(join(model.dir, 'pytorch_model.bin'), 'old weights');
  mkdirSync(join(model.dir, 'folder'));
  const adapter = randomAdapter(model);
  const out = join(directory, 'merged');
  await mergeModel({ model, adapter, out });
  expect(readdirSync(out).sort()).toEqual([
    'config.json',
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
    'model.safetensors.index.json',
    'tokenizer_config.json',
  ]);
  const merged = openModel(out);
  const numbers = (m: ModelDirectory, name: string): Float32Array => {
    const { file } = m.tensors.get(name) ?? { file: '' };
    const bits = new Uint16Array(
      readTensorBytes(new StoredWeights(m).file(file), name).buffer as ArrayBuffer,
    );
    return Float32Array.from(bits, fromBf16Bits);
  };
  const module = adapter.modules[3];
  if (module === undefined) throw new Error('no module');
  const values = adapter.values();
  const [was, is] = [model, merged].map((m) => numbers(m, `${module.module}.weight`));
  is?.forEach((value, i) => {
    const [o, c] = [Math.floor(i / module.inFeatures), i % module.inFeatures];
    let exact = was?.[i] ?? NaN;
    for (let k = 0; k < 2; k += 1) {
      exact +=
        2 *
        (values[module.bOffset + o * 2 + k] ?? 0) *
        (values[module.aOffset + k * module.inFeatures + c] ?? 0);
    }
    expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.abs(exact) / 255 + 1e-6);
  });
  expect(numbers(merged, 'lm_head.weight')).toEqual(numbers(model, 'lm_head.weight'));
  adapter.dispose();
  expect(liveTensors().count).toBe(before);
});

test('a merge that is cancelled, into a full directory, or that overflows leaves nothing', async () => {
  const { directory, model, emulator } = await make();
  using adapter = randomAdapter(model);
  const out = join(directory, 'merged');
  const stop = new AbortController();
  await expect(
    mergeModel({ model, adapter, out, signal: stop.signal, onProgress: () => stop.abort() }),
  ).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(mergeModel({ model: emulator, adapter, out })).rejects.toMatchObject({
    reason: 'IS_AN_EMULATOR',
  });
  await expect(mergeModel({ model, adapter, out: model.dir })).rejects.toMatchObject({
    reason: 'OUTPUT_EXISTS',
  });
  using huge = randomAdapter(model, 1e25);
  await expect(mergeModel({ model, adapter: huge, out })).rejects.toMatchObject({ reason: 'NOT_FINITE' });
  expect(existsSync(out)).toBe(false);
  expect(readdirSync(directory).sort()).toEqual(['emulator', 'model']);
});

test('memory is measured while work runs, and inference is measured as the baseline', async () => {
  const { model } = await make();
  const before = liveTensors().count;
  const source = openWeights(model, { mode: 'resident' });
  const inference = await measureInference(source, [rows.slice(0, 2), rows.slice(2)]);
  expect(inference.peakBytes).toBeGreaterThan(inference.peakPrivateBytes);
  expect(inference.peakPrivateBytes).toBeGreaterThan(0);
  source.close();
  expect(liveTensors().count).toBe(before);
  const size = 64 * 2 ** 20;
  const measured = await measurePeak((meter) => {
    const bytes = new Uint8Array(size).fill(1);
    meter.sample();
    return bytes.length;
  });
  expect(measured.result).toBe(size);
  expect(measured.peakPrivateBytes).toBeGreaterThan(size);
});
