import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { liveTensors, matmul, startEngine, tidy, toFloat64Array } from '@emloc/engine';
import {
  forwardPass,
  openModel,
  openWeights,
  plainLinears,
  prepareBatch,
  type WeightSource,
} from '@emloc/models';
import { writeSafetensors } from '@emloc/tensor-stream';
import { beforeAll, expect, test } from 'vitest';
import { decoderLinears } from '../decoder-linears.ts';
import { calibrationRows, frobenius, temporaryDirectory, tinyLlama } from '../testing/fixture.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { calibrate, calibrateLayers } from './calibrate-layers.ts';
import { openGramFile, readGramLayers, writeGramFile } from './gram-file.ts';
import type { GramLayers } from './layer-grams.ts';
import { sumGramLayers } from './sum-gram-layers.ts';

beforeAll(() => startEngine());

const tiny = (options = {}): WeightSource =>
  openWeights(openModel(writeTinyModel(join(temporaryDirectory(), 'model'), { layers: 2, ...options })), {
    mode: 'streamed',
    computeDtype: 'f64',
  });
const rows = [
  [1, 5, 9, 3, 7],
  [1, 8, 2],
  [4, 4, 6, 30, 11, 2, 17],
  [9, 9, 9],
].map((inputIds) => ({ inputIds }));

async function collect(layers: GramLayers): Promise<Map<string, Float64Array>> {
  const all = new Map<string, Float64Array>();
  for await (const { grams } of layers) {
    for (const [group, gram] of grams) all.set(group, toFloat64Array(gram));
  }
  return all;
}

test('Grams are sums over tokens: batching changes nothing, shards add up', async () => {
  const source = tiny();
  const whole = await collect(calibrateLayers(source, rows));
  expect([...whole.keys()].slice(0, 4)).toEqual(
    ['self_attn.q_proj', 'self_attn.o_proj', 'mlp.gate_proj', 'mlp.down_proj'].map(
      (n) => `model.layers.0.${n}`,
    ),
  );
  const oneByOne = await collect(calibrateLayers(source, rows, { tokensPerBatch: 1 }));
  const shards = [rows.slice(0, 1), rows.slice(1)].map((part) => calibrateLayers(source, part));
  const summed = await collect(sumGramLayers(shards));
  for (const [group, gram] of whole) {
    expect(frobenius(oneByOne.get(group) ?? [], gram)).toBeLessThan(1e-12);
    expect(frobenius(summed.get(group) ?? [], gram)).toBeLessThan(1e-12);
  }
  source.close();
});

test('a Gram is XᵀX of what the linear is given in the original model', async () => {
  const source = tiny();
  const grams = await collect(calibrateLayers(source, rows.slice(0, 1)));
  const batch = prepareBatch(source, rows.slice(0, 1), 'f64');
  const seen = new Map<string, Float64Array>();
  const forward = await forwardPass(source, [batch], (layer, weights) => {
    const plain = plainLinears(weights);
    return {
      backward: plain.backward,
      forward: (name, x) => {
        seen.set(
          source.architecture.moduleName(layer, name),
          tidy(() => toFloat64Array(matmul(x, x, { transposeA: true }))),
        );
        return plain.forward(name, x);
      },
    };
  });
  forward.dispose();
  batch.dispose();
  for (const [group, gram] of grams) expect(frobenius(seen.get(group) ?? [], gram)).toBeLessThan(1e-12);
  source.close();
});

test('the consumer pulls: the next layer waits, and stopping early ends everything', async () => {
  const source = tiny({ layers: 3 });
  const before = liveTensors().count;
  const layers: number[] = [];
  for await (const { layer } of calibrateLayers(source, rows, {
    onProgress: ({ layer: done }) => void layers.push(done),
  })) {
    expect(layers).toHaveLength(layer + 1);
    if (layer === 1) break;
  }
  expect(layers).toEqual([0, 1]);
  expect(liveTensors().count).toBe(before);
  source.close();
});

test('only wanted linears are summed, and a cancel is heeded between layers', async () => {
  const source = tiny();
  const modules = new Set(['model.layers.1.self_attn.v_proj']);
  const grams = await collect(calibrateLayers(source, rows, { modules }));
  expect([...grams.keys()]).toEqual(['model.layers.1.self_attn.q_proj']);
  const stop = new AbortController();
  const run = calibrate(source, rows, { signal: stop.signal, onLayer: () => stop.abort() });
  await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(calibrate(source, [], { onLayer: () => undefined })).rejects.toMatchObject({
    reason: 'NO_SAMPLES',
  });
  source.close();
});

test('a Gram file says which tensor serves which linear, and comes back layer by layer', async () => {
  const model = openModel(tinyLlama);
  const source = openWeights(model, { mode: 'streamed' });
  const linears = decoderLinears(model);
  const path = join(temporaryDirectory(), 'grams.safetensors');
  await writeGramFile(path, linears, calibrateLayers(source, calibrationRows()), { samples: 8, tokens: 273 });
  const file = openGramFile(path);
  expect(file.info).toEqual({ samples: 8, tokens: 273 });
  expect(file.file.tensors.size).toBe(16);
  expect(file.gramOf.get('model.layers.2.self_attn.v_proj')).toBe('gram.model.layers.2.self_attn.q_proj');
  const direct = await collect(calibrateLayers(source, calibrationRows()));
  const read = await collect(readGramLayers(file, linears));
  for (const [group, gram] of direct) expect(read.get(`gram.${group}`)).toEqual(gram);
  source.close();
});

test('a file that is no Gram file, of another model, or with NaN is refused', async () => {
  const directory = temporaryDirectory();
  expect(() => openGramFile(join(tinyLlama, 'model.safetensors'))).toThrow(
    expect.objectContaining({ reason: 'BAD_STATISTICS' }),
  );
  const q = 'model.layers.0.self_attn.q_proj';
  const write = (name: string, side: number, gramOf: object, value = 1) => {
    const bytes = new Uint8Array(new Float32Array(side * side).fill(value).buffer);
    const path = join(directory, name);
    const tensors = [{ name: `gram.${q}`, dtype: 'f32' as const, shape: [side, side], bytes }];
    writeSafetensors(path, tensors, { gram_of: JSON.stringify(gramOf) });
    return path;
  };
  const [linear] = decoderLinears(openModel(tinyLlama));
  const read = (path: string) =>
    collect(readGramLayers(openGramFile(path), linear === undefined ? [] : [linear]));
  expect(() => openGramFile(write('dangling', 4, { [q]: 'gram.other' }))).toThrow(/does not hold/);
  await expect(read(write('none', 64, {}))).rejects.toMatchObject({ reason: 'BAD_STATISTICS' });
  await expect(read(write('side', 32, { [q]: `gram.${q}` }))).rejects.toThrow(/side 32/);
  await expect(read(write('nan', 64, { [q]: `gram.${q}` }, NaN))).rejects.toThrow(/NaN/);
});

test('weights with NaN are found before any Gram is handed over, and no file is left', async () => {
  const directory = writeTinyModel(join(temporaryDirectory(), 'model'));
  const file = join(directory, 'model.safetensors');
  const bytes = readFileSync(file);
  const { begin } = openModel(directory).tensors.get('model.layers.0.mlp.up_proj.weight') ?? { begin: 0 };
  bytes.fill(0xff, begin, begin + 64);
  writeFileSync(file, bytes);
  const source = openWeights(openModel(directory), { mode: 'streamed' });
  const out = join(directory, 'grams.safetensors');
  await expect(
    writeGramFile(out, decoderLinears(source), calibrateLayers(source, rows)),
  ).rejects.toMatchObject({ reason: expect.stringMatching(/FINITE/) });
  expect(existsSync(out)).toBe(false);
  source.close();
});
