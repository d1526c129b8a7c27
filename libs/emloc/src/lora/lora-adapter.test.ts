import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { liveTensors, startEngine, tensor } from '@emloc/engine';
import { openModel } from '@emloc/models';
import { writeSafetensors } from '@emloc/tensor-stream';
import { beforeAll, expect, test } from 'vitest';
import { decoderLinears } from '../decoder-linears.ts';
import { scaledAdapter } from '../correction/select-adapter.ts';
import { temporaryDirectory, tinyLlama } from '../testing/fixture.ts';
import { assertAdapterAgrees } from './adapter-agreement.ts';
import { loadAdapter, openAdapter } from './open-adapter.ts';
import { saveAdapter } from './save-adapter.ts';
import { LoraAdapter } from './lora-adapter.ts';
import { parsePeftConfig, peftConfig } from './peft-format.ts';
import { selectTargets } from './target-modules.ts';

beforeAll(() => startEngine());

const linears = decoderLinears(openModel(tinyLlama));
const settings = { r: 4, loraAlpha: 8, loraDropout: 0, targetModules: ['q_proj', 'down_proj'] };
const targets = selectTargets(linears, settings.targetModules);
const peftDirectory = join(tinyLlama, 'adapter-uncorrected');

test('A starts Kaiming-uniform and B at zero, the same for a seed whatever else is adapted', () => {
  using adapter = LoraAdapter.initialize(targets, settings, 7);
  const values = adapter.values();
  for (const { inFeatures, aOffset, bOffset, outFeatures } of adapter.modules) {
    const bound = 1 / Math.sqrt(inFeatures);
    const a = values.subarray(aOffset, bOffset);
    expect(Math.max(...a)).toBeLessThanOrEqual(bound);
    expect(Math.min(...a)).toBeLessThan(-0.9 * bound);
    const variance = a.reduce((sum, x) => sum + x * x, 0) / a.length;
    expect(variance / (bound * bound)).toBeGreaterThan(0.25);
    expect(variance / (bound * bound)).toBeLessThan(0.42);
    expect(values.subarray(bOffset, bOffset + outFeatures * 4).every((x) => x === 0)).toBe(true);
  }
  using again = LoraAdapter.initialize(targets, settings, 7);
  expect(again.values()).toEqual(values);
  using other = LoraAdapter.initialize(targets, settings, 8);
  expect(other.values()).not.toEqual(values);
  using fewer = LoraAdapter.initialize(targets.slice(1), settings, 7);
  const [first] = fewer.modules;
  const same = adapter.modules.find(({ module }) => module === first?.module);
  expect(fewer.values().subarray(0, 40)).toEqual(values.subarray(same?.aOffset, (same?.aOffset ?? 0) + 40));
});

test('the pieces follow the vector, and nothing is left behind', () => {
  const before = liveTensors().count;
  const adapter = LoraAdapter.initialize(targets, settings, 7);
  const held = liveTensors().count;
  adapter.replaceParameters(tensor(new Float32Array(adapter.layout.size).fill(2), [adapter.layout.size]));
  expect(liveTensors().count).toBe(held);
  expect(adapter.values()[5]).toBe(2);
  expect(adapter.factors(targets[0]?.module ?? '')?.a.shape).toEqual([4, targets[0]?.inFeatures]);
  adapter.dispose();
  expect(liveTensors().count).toBe(before);
});

test('strength multiplies B alone', () => {
  using adapter = loadAdapter(openAdapter(peftDirectory), linears);
  using stronger = scaledAdapter(adapter, 1.5);
  const [was, is] = [adapter.values(), stronger.values()];
  for (const { aOffset, bOffset } of adapter.modules) {
    expect(is[aOffset]).toBe(was[aOffset]);
    expect(is[bOffset]).toBeCloseTo(1.5 * (was[bOffset] ?? NaN), 6);
  }
});

test('the configuration is field for field the one that PEFT writes', () => {
  const written = JSON.parse(readFileSync(join(peftDirectory, 'adapter_config.json'), 'utf8')) as object;
  const parsed = parsePeftConfig(written, 'adapter_config.json');
  expect(peftConfig(parsed)).toEqual(written);
});

test.each([
  [{ use_dora: true }, 'use_dora'],
  [{ bias: 'all' }, 'bias'],
  [{ rank_pattern: { q_proj: 0 } }, 'rank_pattern.q_proj'],
  [{ alpha_pattern: ['q_proj'] }, 'alpha_pattern'],
  [{ target_parameters: ['mlp.experts'] }, 'target_parameters'],
  [{ modules_to_save: ['lm_head'] }, 'modules_to_save'],
  [{ init_lora_weights: 'pissa_niter_4' }, 'init_lora_weights'],
  [{ init_lora_weights: 'olora' }, 'init_lora_weights'],
  [{ kasa_config: {} }, 'kasa_config'],
  [{ peft_type: 'IA3' }, 'peft_type'],
  [{ r: 0 }, 'r'],
])('an adapter with %o is refused', (change, field) => {
  const config = { ...peftConfig({ ...settings, baseModel: 'm' }), ...change };
  expect(() => parsePeftConfig(config, 'adapter_config.json')).toThrow(expect.objectContaining({ field }));
});

test('what is no adapter, has other shapes, or lacks a factor is refused', async () => {
  const directory = temporaryDirectory();
  const refused = (dir: string) => () => loadAdapter(openAdapter(dir), linears);
  expect(refused(directory)).toThrow(expect.objectContaining({ reason: 'NOT_AN_ADAPTER' }));

  const narrow = linears.map((linear) => ({ ...linear, inFeatures: 32 }));
  using adapter = LoraAdapter.initialize(selectTargets(narrow, ['q_proj']), settings, 1);
  await saveAdapter(adapter, join(directory, 'narrow'), { baseModel: 'm' });
  expect(refused(join(directory, 'narrow'))).toThrow(
    expect.objectContaining({ reason: 'ADAPTER_MISMATCH', message: expect.stringContaining('4 × 32') }),
  );
  await expect(saveAdapter(adapter, join(directory, 'narrow'), { baseModel: 'm' })).rejects.toMatchObject({
    reason: 'OUTPUT_EXISTS',
  });

  const make = (name: string, keys: string[], value = 0) => {
    const dir = join(directory, name);
    mkdirSync(dir);
    writeFileSync(
      join(dir, 'adapter_config.json'),
      JSON.stringify(peftConfig({ ...settings, baseModel: 'm' })),
    );
    const tensors = keys.map((key) => ({
      name: key,
      dtype: 'f32' as const,
      shape: key.includes('lora_A') ? [4, 64] : [64, 4],
      bytes: new Uint8Array(new Float32Array(256).fill(value).buffer),
    }));
    writeSafetensors(join(dir, 'adapter_model.safetensors'), tensors);
    return dir;
  };
  const key = (module: string, part: 'A' | 'B') => `base_model.model.${module}.lora_${part}.weight`;
  const q = 'model.layers.0.self_attn.q_proj';
  expect(refused(make('half', [key(q, 'A')]))).toThrow(/lora_B.weight is missing/);
  expect(refused(make('odd', ['x.weight']))).toThrow(/is no factor/);
  for (const [name, part] of [
    ['base_model.model.lm_head.lora_A.weight', 'lm_head'],
    ['base_model.model.model.embed_tokens.lora_embedding_A', 'embed_tokens'],
    ['base_model.model.model.embed_tokens.weight', 'embed_tokens'],
  ] as const)
    expect(refused(make(name, [key(q, 'A'), key(q, 'B'), name]))).toThrow(
      expect.objectContaining({ reason: 'UNSUPPORTED_ADAPTER', field: 'target_modules', value: part }),
    );
  expect(refused(make('other', [key('model.layers.9.q', 'A'), key('model.layers.9.q', 'B')]))).toThrow(
    /no linear model.layers.9.q/,
  );
  expect(refused(make('nan', [key(q, 'A'), key(q, 'B')], NaN))).toThrow(
    expect.objectContaining({ reason: 'NOT_FINITE' }),
  );
});

test('an adapter to start from must agree with rank, alpha and modules', () => {
  const adapter = openAdapter(peftDirectory);
  const six = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj'];
  const agree = { loraR: 4, loraAlpha: 4, targetModules: six };
  expect(() => assertAdapterAgrees(adapter, linears, agree)).not.toThrow();
  for (const [change, field] of [
    [{ loraR: 8 }, 'lora_r'],
    [{ loraAlpha: 8 }, 'lora_alpha'],
    [{ targetModules: ['q_proj'] }, 'target_modules'],
    [{ targetModules: 'all-linear' }, 'target_modules'],
  ] as const) {
    expect(() => assertAdapterAgrees(adapter, linears, { ...agree, ...change })).toThrow(
      expect.objectContaining({ reason: 'ADAPTER_MISMATCH', field }),
    );
  }
});

test('history travels with the adapter', async () => {
  using adapter = LoraAdapter.initialize(targets, settings, 1);
  const out = join(temporaryDirectory(), 'adapter');
  const history = { original: 'sha256:1', correction: { method: 'paper', limit: 3 } };
  await saveAdapter(adapter, out, { baseModel: 'm', history });
  expect(openAdapter(out).history).toEqual(history);
  expect(openAdapter(peftDirectory).history).toEqual({});
});
