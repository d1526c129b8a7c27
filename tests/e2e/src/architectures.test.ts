/**
 * Every architecture through the stage commands, each result against its golden numbers (PyTorch, float64); tiny-llama
 * has more of this in stages.test.ts. And a mixture of experts, and a GGUF file, through the whole job.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader, writeSafetensors, type SafetensorsFile } from '@emloc/tensor-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixturesDirectory, Workplace } from './emloc.ts';
import {
  delta,
  distance,
  GoldenFixture,
  goldenFixtures,
  matrix,
  multiply,
  scaled,
  worst,
  writeLines,
  type Matrix,
} from './golden.ts';

const work = new Workplace();
let down: () => Promise<void>;

beforeAll(async () => {
  down = await work.up();
});
afterAll(async () => {
  await down();
  await work.dispose();
});

const files = ['grams', 'emulator', 'trained', 'corrected', 'merged', 'data', 'tuned'] as const;
const pathsOf = (at: (file: string) => string): Record<(typeof files)[number], string> =>
  Object.fromEntries(files.map((file) => [file, at(file)])) as Record<(typeof files)[number], string>;

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

test.concurrent.each(goldenFixtures.filter((name) => name !== 'tiny-llama'))(
  '%s: calibrate, compress, train, correct, merge, evaluate and generate are golden',
  async (name) => {
    const fixture = new GoldenFixture(name);
    const { model, expected } = fixture;
    const { r, alpha, modules } = expected.lora;
    const at = (file: string): string => work.path(`${name}-${file}`);
    const { grams, emulator, trained, corrected, merged } = pathsOf(at);
    const near = (found: Matrix, wanted: Matrix, quantity: string): void =>
      expect(distance(found, wanted), quantity).toBeLessThan(fixture.allowed(quantity, 'frobenius'));

    fixture.writeCalibrationData(at('calib.jsonl'));
    await work.json('calibrate', '--model', model, '--data', at('calib.jsonl'), '--output', grams);
    const gramFile = readSafetensorsHeader(grams);
    const gramOf = JSON.parse(gramFile.metadata['gram_of'] ?? '{}') as Record<string, string>;
    expect(gramOf).toMatchObject(expected.gramOf);
    const isNarrow = expected.storedDtype === 'bfloat16';
    for (const gram of gramNames(fixture))
      if (isNarrow) expect(distance(matrix(gramFile, gram), fixture.matrix(gram))).toBeLessThan(1e-2);
      else near(matrix(gramFile, gram), fixture.matrix(gram), 'gram');
    // The golden numbers are of float32 arithmetic; calibrate multiplies bf16 weights in bf16.
    if (isNarrow) putGoldenGrams(fixture, gramFile);

    writeFileSync(at('ratios.json'), JSON.stringify(expected.compress));
    const { linears } = await work.json<{ linears: { module: string; rank: number }[] }>(
      ...['compress', '--model', model, '--statistics', grams, '--ratios', at('ratios.json')],
      ...['--output', emulator],
    );
    // Rank 0: kept as it is, by the ratios or because too few rows came to an expert.
    const compressed = linears.filter(({ rank }) => rank > 0);
    expect(Object.fromEntries(compressed.map(({ module, rank }) => [module, rank]))).toEqual(expected.rank);
    const emulated = tensorsIn(emulator);
    if (!isNarrow)
      for (const { module } of compressed)
        near(
          multiply(emulated(`${module}.u`), emulated(`${module}.v`)),
          fixture.matrix(`wprime.${module}`),
          'wprime',
        );

    fixture.writeTrainingData(at('train.jsonl'));
    fixture.writeInitialAdapter(at('initial'));
    await work.json(
      ...['train', '--emulator', emulator, '--data', at('train.jsonl'), '--output', trained],
      ...['--adapter-init', at('initial'), '--log', at('log.jsonl'), '--no-shuffle', '--max-steps', '20'],
      ...['--batch-size', '4', '--gradient-accumulation-steps', '1', '--max-grad-norm', '0'],
      ...['--learning-rate', '1e-3', '--lr-scheduler-type', 'constant', '--weight-decay', '0'],
      ...['--precision', 'f32'],
    );
    const steps = readFileSync(at('log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { loss: number; grad_norm: number });
    const { loss, gradNorm } = expected.training;
    const apart = [
      worst(
        steps.map((step) => step.loss),
        loss,
      ),
      worst(
        steps.map((step) => step.grad_norm),
        gradNorm,
      ),
    ];
    expect(apart[0]).toBeLessThan(fixture.allowed('training.loss', 'maxRelative'));
    expect(apart[1]).toBeLessThan(fixture.allowed('training.gradNorm', 'maxRelative'));
    const adapter = readSafetensorsHeader(join(trained, 'adapter_model.safetensors'));
    for (const module of modules) {
      const wanted = multiply(fixture.matrix(`lora_B.${module}`), fixture.matrix(`lora_A.${module}`));
      near(delta(adapter, module, alpha / r), scaled(wanted, alpha / r), 'delta.uncorrected');
    }

    await work.json(
      ...['correct', '--model', model, '--emulator', emulator, '--adapter', trained, '--output', corrected],
    );
    const fitted = readSafetensorsHeader(join(corrected, 'adapter_model.safetensors'));
    for (const module of modules)
      near(delta(fitted, module, alpha / r), fixture.matrix(`delta.corrected.${module}`), 'delta.corrected');
    const { fan_in_fan_out } = readJson<{ fan_in_fan_out: boolean }>(join(corrected, 'adapter_config.json'));
    expect(fan_in_fan_out).toBe(name === 'tiny-gpt2');

    await work.json('merge', '--model', model, '--adapter', corrected, '--output', merged);
    const logits = fixture.matrix('logits.merged');
    const { probe } = fixture;
    writeLines(at('probe.jsonl'), [{ input_ids: probe, labels: probe }]);
    const evaluated = await work.json<{ loss: number }>(
      ...['evaluate', '--model', merged, '--data', at('probe.jsonl'), '--precision', 'f32'],
    );
    const wantedLoss = lossOf(logits, probe);
    expect(Math.abs(evaluated.loss - wantedLoss)).toBeLessThan(
      fixture.allowed('logits.merged', 'maxAbsOverMax') * largest(logits),
    );

    writeCharacterTokenizer(merged, logits.columns);
    const text = String.fromCodePoint(...probe.map(characterOf));
    const generated = await work.json<{ ids: number[] }>(
      ...['generate', '--model', merged, '--prompt', text, '--max-new-tokens', '1', '--precision', 'f32'],
      '--ignore-eos',
    );
    expect(generated.ids).toEqual([mostLikely(logits, probe.length - 1)]);
  },
);

const gramNames = ({ expected }: GoldenFixture): string[] => [...new Set(Object.values(expected.gramOf))];

/** By name, whatever the files. */
function tensorsIn(directory: string): (name: string) => Matrix {
  const files = readdirSync(directory)
    .filter((file) => file.endsWith('.safetensors'))
    .map((file) => readSafetensorsHeader(join(directory, file)));
  return (name) =>
    matrix(
      files.find(({ tensors }) => tensors.has(name))!,
      name,
    );
}

function putGoldenGrams(fixture: GoldenFixture, { path, metadata }: SafetensorsFile): void {
  const tensors = gramNames(fixture).map((name) => {
    const { rows, columns, values } = fixture.matrix(name);
    return { name, dtype: 'f32' as const, shape: [rows, columns], bytes: new Uint8Array(values.buffer) };
  });
  writeSafetensors(path, tensors, metadata);
}

interface Report {
  readonly resolved: { readonly keptFull?: readonly { module: string; rows: number }[] };
}

test('a mixture of experts through the whole job: the merged model is the original with the adapter', async () => {
  const fixture = new GoldenFixture('tiny-qwen3-moe');
  const { model } = fixture;
  const { data, tuned, merged } = pathsOf((file) => work.path(`moe-${file}`));
  const loss = async (...args: string[]): Promise<number> =>
    (await work.json<{ loss: number }>('evaluate', '--data', data, ...args)).loss;
  // Few tokens of the calibration sequences reach the last expert of the last layer.
  fixture.writeCalibrationData(data);
  await work.json(
    ...['finetune', '--model', model, '--data', data, '--ratio', '0.5', '--output', tuned],
    ...['--max-steps', '4', '--lora-r', '2', '--target-modules', 'all-linear', '--learning-rate', '1e-2'],
  );
  const adapter = join(tuned, 'adapter');
  await work.json('merge', '--model', model, '--adapter', adapter, '--output', merged);
  const tunedLoss = await loss('--model', model, '--adapter', adapter);
  expect(Math.abs((await loss('--model', merged)) - tunedLoss)).toBeLessThan(1e-4 * tunedLoss);
  expect(tunedLoss).toBeLessThan(await loss('--model', model));
  const { resolved } = readJson<Report>(join(tuned, 'report.json'));
  expect(resolved.keptFull?.map(({ module }) => module)).toContain('model.layers.2.mlp.experts.3.gate_proj');
  for (const { rows } of resolved.keptFull ?? []) expect(rows).toBeLessThan(6);
});

test('a GGUF file: imported, it is what transformers reads in it, and is fine-tuned and asked like any model', async () => {
  const gguf = join(fixturesDirectory, 'gguf', 'tiny-qwen2.gguf');
  const model = work.path('from-gguf');
  expect(await work.json('models', 'import', gguf, '--output', model)).toMatchObject({ path: model });
  const [{ ids, loss }] = readJson<[{ ids: number[]; loss: number }]>(gguf.replace(/gguf$/, 'json'));
  const data = work.path('gguf.jsonl');
  writeLines(data, [{ input_ids: ids, labels: ids }]);
  const found = await work.json<{ loss: number }>(
    ...['evaluate', '--model', model, '--data', data, '--no-exact-match', '--precision', 'f32'],
  );
  // What was quantized is written out in bf16.
  expect(Math.abs(found.loss / loss - 1)).toBeLessThan(5e-3);
  const chats = work.path('gguf-chats.jsonl');
  const answer = { role: 'assistant', content: 'yes' };
  writeLines(
    chats,
    Array.from({ length: 40 }, (_, i) => ({ messages: [{ role: 'user', content: `rain ${i}?` }, answer] })),
  );
  await work.json(
    ...['finetune', '--model', model, '--data', chats, '--output', work.path('gguf-tuned'), '--ratio', '0.8'],
    ...[
      '--max-steps',
      '12',
      '--refine-steps',
      '6',
      '--learning-rate',
      '2e-2',
      '--target-modules',
      'all-linear',
    ],
  );
  const at = ['--model', model, '--adapter', work.path('gguf-tuned', 'adapter')];
  writeLines(work.path('gguf-prompts.jsonl'), [{ messages: [{ role: 'user', content: 'rain 50?' }] }]);
  const said = await work.json<{ text: string }>(
    ...['generate', ...at, '--prompts', work.path('gguf-prompts.jsonl'), '--max-new-tokens', '8'],
  );
  expect(said.text).toBe('yes');
});

/** Mean over all tokens but the first, of logits T × V. */
function lossOf({ columns, values }: Matrix, ids: readonly number[]): number {
  const losses = ids.slice(1).map((id, t) => {
    const row = values.subarray(t * columns, (t + 1) * columns);
    const most = Math.max(...row);
    return most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0)) - row[id]!;
  });
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}

function mostLikely({ columns, values }: Matrix, row: number): number {
  const scores = values.subarray(row * columns, (row + 1) * columns);
  return scores.indexOf(Math.max(...scores));
}

const largest = ({ values }: Matrix): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** One character a token, from a block of letters that no pre-tokenizer looks at. */
const characterOf = (id: number): number => 0x4e00 + id;

function writeCharacterTokenizer(directory: string, vocabulary: number): void {
  const ids = Array.from({ length: vocabulary }, (_, id) => id);
  const vocab = Object.fromEntries(ids.map((id) => [String.fromCodePoint(characterOf(id)), id]));
  const model = { type: 'BPE', vocab, merges: [] };
  const none = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' } };
  writeFileSync(join(directory, 'tokenizer.json'), JSON.stringify({ added_tokens: [], ...none, model }));
  writeFileSync(join(directory, 'tokenizer_config.json'), '{}');
}
