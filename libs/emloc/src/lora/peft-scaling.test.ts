/** Adapters whose modules differ in rank and scale compute what PEFT computes with them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEngine, toFloat64Array } from '@emloc/engine';
import { openModel } from '@emloc/models';
import { writeSafetensors } from '@emloc/tensor-stream';
import { beforeAll, expect, test } from 'vitest';
import { decoderLinears } from '../decoder-linears.ts';
import { temporaryDirectory, tinyLlama } from '../testing/fixture.ts';
import { assertTrainable } from './adapter-agreement.ts';
import type { LoraAdapter } from './lora-adapter.ts';
import { loadAdapter, openAdapter } from './open-adapter.ts';
import { otherBase } from './other-base.ts';
import { keyA, keyB, peftConfig } from './peft-format.ts';
import { scalingOf } from './peft-scaling.ts';
import { saveAdapter } from './save-adapter.ts';

beforeAll(() => startEngine());

const model = openModel(tinyLlama);
const linears = decoderLinears(model);
const plain = { r: 4, loraAlpha: 8, rankPattern: {}, alphaPattern: {}, rslora: false };

test.each([
  [{}, { r: 4, scale: 2 }],
  [{ rslora: true }, { r: 4, scale: 4 }],
  [{ rankPattern: { q_proj: 2 } }, { r: 2, scale: 4 }],
  [
    { rankPattern: { '.*self_attn.*': 16 }, rslora: true },
    { r: 16, scale: 2 },
  ],
  [{ alphaPattern: { 'model.layers.1.self_attn.q_proj': 1 } }, { r: 4, scale: 0.25 }],
  // Not the end of a name: `proj` alone matches nothing; and the first that matches is taken.
  [{ rankPattern: { proj: 9 } }, { r: 4, scale: 2 }],
  [{ rankPattern: { 'layers.1.self_attn.q_proj': 1, q_proj: 2 } }, { r: 1, scale: 8 }],
])('%o', (change, expected) => {
  expect(scalingOf({ ...plain, ...change }, 'model.layers.1.self_attn.q_proj')).toEqual(expected);
});

const q = 'model.layers.0.self_attn.q_proj';
const down = 'model.layers.1.mlp.down_proj';

/** A directory with factors of these ranks, numbered so that no two numbers are the same. */
function directory(ranks: Readonly<Record<string, number>>, change: object): string {
  const dir = join(temporaryDirectory(), 'adapter');
  mkdirSync(dir);
  const base = {
    r: 4,
    loraAlpha: 8,
    loraDropout: 0,
    targetModules: ['q_proj', 'down_proj'],
    baseModel: 'tiny-llama',
  };
  writeFileSync(join(dir, 'adapter_config.json'), JSON.stringify({ ...peftConfig(base), ...change }));
  const numbers = (count: number, from: number): Uint8Array =>
    new Uint8Array(Float32Array.from({ length: count }, (_, i) => Math.sin(from + i)).buffer);
  writeSafetensors(
    join(dir, 'adapter_model.safetensors'),
    Object.entries(ranks).flatMap(([module, r]) => {
      const { inFeatures, outFeatures } = linears.find((linear) => linear.module === module)!;
      return [
        {
          name: keyA(module),
          dtype: 'f32' as const,
          shape: [r, inFeatures],
          bytes: numbers(r * inFeatures, 1),
        },
        {
          name: keyB(module),
          dtype: 'f32' as const,
          shape: [outFeatures, r],
          bytes: numbers(outFeatures * r, 2),
        },
      ];
    }),
  );
  return dir;
}

/** s B A of a module, at some places, from the file's own numbers. */
function expectDelta(adapter: LoraAdapter, module: string, r: number, scale: number): void {
  const { a, b } = adapter.factors(module)!;
  const [A, B] = [toFloat64Array(a), toFloat64Array(b)];
  const [rank, inFeatures] = a.shape as [number, number];
  for (const [row, column] of [
    [0, 0],
    [3, 5],
    [b.shape[0]! - 1, inFeatures - 1],
  ] as const) {
    let expected = 0;
    for (let k = 0; k < r; k++)
      expected += Math.sin(2 + row * r + k) * Math.sin(1 + k * inFeatures + column) * scale;
    let found = 0;
    for (let k = 0; k < rank; k++) found += B[row * rank + k]! * A[k * inFeatures + column]! * adapter.scale;
    expect(found, `${module} ${row} ${column}`).toBeCloseTo(expected, 5);
  }
}

test('ranks and alphas by pattern: the same products, and saved as plain LoRA they stay so', async () => {
  const dir = directory(
    { [q]: 2, [down]: 6 },
    { rank_pattern: { q_proj: 2, down_proj: 6 }, alpha_pattern: { q_proj: 3 } },
  );
  const opened = openAdapter(dir);
  expect(opened.settings).toMatchObject({ r: 6, loraAlpha: 12 });
  using adapter = loadAdapter(opened, linears);
  const out = join(temporaryDirectory(), 'out');
  await saveAdapter(adapter, out, { baseModel: 'tiny-llama' });
  using again = loadAdapter(openAdapter(out), linears);
  for (const each of [adapter, again]) {
    expectDelta(each, q, 2, 3 / 2);
    expectDelta(each, down, 6, 8 / 6);
  }
  expect(() => assertTrainable(opened)).toThrow(expect.objectContaining({ field: 'rank_pattern' }));
});

test('rank-stabilized scale: α / √r, and such an adapter can be trained on', () => {
  const opened = openAdapter(directory({ [q]: 4, [down]: 4 }, { use_rslora: true }));
  using adapter = loadAdapter(opened, linears);
  expectDelta(adapter, q, 4, 8 / 2);
  expect(() => assertTrainable(opened)).not.toThrow();
});

test('factors of other ranks than the patterns say are refused', () => {
  const opened = openAdapter(directory({ [q]: 4 }, { rank_pattern: { q_proj: 2 } }));
  expect(() => loadAdapter(opened, linears)).toThrow(expect.objectContaining({ reason: 'ADAPTER_MISMATCH' }));
});

test('an adapter of some layers names its modules when it is saved, so that PEFT adapts no others', async () => {
  using adapter = loadAdapter(openAdapter(directory({ [q]: 4 }, { layers_to_transform: [0] })), linears);
  const out = join(temporaryDirectory(), 'out');
  await saveAdapter(adapter, out, { baseModel: 'tiny-llama' });
  expect(openAdapter(out).settings.targetModules).toEqual([q]);
});

test('a base of another name is noticed, the same under another path is not', () => {
  const named = (base: string) =>
    otherBase(openAdapter(directory({ [q]: 4 }, { base_model_name_or_path: base })), model);
  for (const same of ['tiny-llama', '/elsewhere/tiny-llama/', 'org/Tiny-Llama', ''])
    expect(named(same)).toBeUndefined();
  expect(named('org/other')).toBe('org/other');
});
