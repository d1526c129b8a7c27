/**
 * PEFT adapter directories: `adapter_config.json` and `adapter_model.safetensors` with the keys
 * `base_model.model.<module>.lora_A.weight` (r × d_in) and `….lora_B.weight` (d_out × r). What EMLoC did to an
 * adapter stands in the safetensors metadata, which PEFT passes over.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { tensorFromBytes, toFloat32Array } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { readSafetensorsHeader, readTensorBytes, type SafetensorsFile } from '@emloc/tensor-stream';
import type { DecoderLinear } from '../decoder-linears.ts';
import type { AdapterHistory } from './adapter-history.ts';
import { LoraAdapter } from './lora-adapter.ts';
import { loraLayout } from './lora-layout.ts';
import {
  adapterFiles,
  beyondLayersError,
  keyA,
  keyB,
  parsePeftConfig,
  type ReadPeftSettings,
} from './peft-format.ts';
import { scalingOf } from './peft-scaling.ts';

const { config: configName, weights: weightsName } = adapterFiles;

/** An adapter directory, validated from its headers alone (no TensorFlow). */
export interface AdapterDirectory {
  readonly dir: string;
  readonly settings: ReadPeftSettings;
  readonly history: AdapterHistory;
  readonly modules: readonly { readonly module: string; readonly a: string; readonly b: string }[];
  readonly file: SafetensorsFile;
}

export function openAdapter(dir: string): AdapterDirectory {
  if (statSync(join(dir, configName), { throwIfNoEntry: false }) === undefined) {
    throw new EmlocError('NOT_FOUND', 'NOT_AN_ADAPTER', `${dir} holds no ${configName}`, {
      field: 'adapter',
      value: dir,
      mend: 'give a LoRA adapter directory as PEFT writes it',
    });
  }
  const settings = parsePeftConfig(readJson(join(dir, configName)), join(dir, configName));
  const path = join(dir, weightsName);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw new EmlocError('NOT_FOUND', 'NOT_AN_ADAPTER', `${dir} holds no ${weightsName}`, {
      field: 'adapter',
      value: dir,
      mend: 'save the adapter as safetensors',
    });
  }
  const file = readSafetensorsHeader(path);
  const modules = pairs(file, dir);
  return { dir, settings: asOne(settings, modules), history: readHistory(file), modules, file };
}

/** Checks that `adapter` fits these linears: known modules, the right shapes; gives the adapted ones in their order. */
export function adaptedLinears(
  adapter: AdapterDirectory,
  linears: readonly DecoderLinear[],
): DecoderLinear[] {
  const byName = new Map(linears.map((linear) => [linear.module, linear]));
  for (const { module, a, b } of adapter.modules) {
    const { r } = scalingOf(adapter.settings.scaling, module);
    const linear = byName.get(module);
    if (linear === undefined) {
      throw new EmlocError('INVALID_ARGUMENT', 'ADAPTER_MISMATCH', `the model has no linear ${module}`, {
        field: 'adapter',
        value: adapter.dir,
        mend: 'use the model that the adapter was made for',
      });
    }
    checkShape(adapter, a, [r, linear.inFeatures]);
    checkShape(adapter, b, [linear.outFeatures, r]);
  }
  const adapted = new Set(adapter.modules.map(({ module }) => module));
  return linears.filter(({ module }) => adapted.has(module));
}

/** Loads the factors, in float32 (or wider) whatever they are stored in. */
export function loadAdapter(
  adapter: AdapterDirectory,
  linears: readonly DecoderLinear[],
  dtype: 'f32' | 'f64' = 'f32',
): LoraAdapter {
  const { r, loraAlpha, loraDropout, targetModules, scaling } = adapter.settings;
  const layout = loraLayout(adaptedLinears(adapter, linears), r);
  const values = new Float32Array(layout.size);
  for (const { module, aOffset, bOffset } of layout.modules) {
    const own = scalingOf(scaling, module);
    // Rows that are missing up to the common rank are zeros, and so are the columns of B that they meet.
    values.set(readFloats(adapter.file, keyA(module)), aOffset);
    const b = readFloats(adapter.file, keyB(module));
    const stronger = own.scale / (loraAlpha / r);
    if (own.r === r && Math.abs(stronger - 1) < 1e-12) values.set(b, bOffset);
    else
      b.forEach((x, i) => {
        values[bOffset + Math.floor(i / own.r) * r + (i % own.r)] = x * stronger;
      });
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    throw new EmlocError('DATA_LOSS', 'NOT_FINITE', `${adapter.file.path} holds NaN or infinity`, {
      field: 'adapter',
      value: adapter.dir,
      mend: 'use an adapter from an earlier checkpoint',
    });
  }
  return LoraAdapter.fromValues({ r, loraAlpha, loraDropout, targetModules }, layout, values, dtype);
}

/**
 * One rank and one α for all modules, as an adapter has them here: the largest rank, and the α that gives `lora_alpha`'s
 * scale with it; what a module has otherwise goes into its B when the factors are loaded. The function is the same.
 */
function asOne(settings: ReadPeftSettings, modules: AdapterDirectory['modules']): ReadPeftSettings {
  const names = modules.map(({ module }) => module);
  const r = Math.max(...names.map((module) => scalingOf(settings.scaling, module).r));
  return {
    ...settings,
    r,
    loraAlpha: r === settings.r ? settings.loraAlpha : (settings.loraAlpha / settings.r) * r,
    targetModules: settings.inSomeLayers ? names : settings.targetModules,
  };
}

/** Has the adapter one rank and one scale throughout, as one that is trained here? */
export const isUniform = ({ settings, modules }: AdapterDirectory): boolean =>
  modules.every(({ module }) => {
    const { r, scale } = scalingOf(settings.scaling, module);
    return r === settings.r && Math.abs(scale / (settings.loraAlpha / settings.r) - 1) < 1e-12;
  });

function pairs(file: SafetensorsFile, dir: string): AdapterDirectory['modules'] {
  const modules = new Set<string>();
  for (const key of file.tensors.keys()) {
    const beyond = beyondLayersError(key, dir);
    if (beyond !== undefined) throw beyond;
    const module = /^base_model\.model\.(.+)\.lora_[AB]\.weight$/.exec(key)?.[1];
    if (module === undefined) throw badKey(file, key, 'is no factor of a LoRA adapter');
    modules.add(module);
  }
  if (modules.size === 0) throw badKey(file, 'lora_A', 'is missing: the file is empty');
  return [...modules].map((module) => {
    for (const key of [keyA(module), keyB(module)]) {
      if (!file.tensors.has(key)) throw badKey(file, key, 'is missing');
    }
    return { module, a: keyA(module), b: keyB(module) };
  });
}

function badKey(file: SafetensorsFile, key: string, problem: string): EmlocError {
  return new EmlocError('INVALID_ARGUMENT', 'BAD_ADAPTER', `${file.path}: ${key} ${problem}`, {
    field: 'adapter',
    value: key,
    mend: 'give a LoRA adapter as PEFT writes it',
  });
}

function checkShape(adapter: AdapterDirectory, key: string, expected: readonly number[]): void {
  const { shape } = adapter.file.tensors.get(key) as { shape: readonly number[] };
  if (shape.length === 2 && shape[0] === expected[0] && shape[1] === expected[1]) return;
  throw new EmlocError(
    'INVALID_ARGUMENT',
    'ADAPTER_MISMATCH',
    `${key} is ${shape.join(' × ')}, this model and rank need ${expected.join(' × ')}`,
    { field: 'adapter', value: adapter.dir, mend: 'use the model that the adapter was made for' },
  );
}

function readHistory(file: SafetensorsFile): AdapterHistory {
  const text = file.metadata['emloc'];
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as AdapterHistory;
  } catch (cause) {
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_ADAPTER', `${file.path}: metadata emloc is not JSON`, {
      field: 'adapter',
      cause,
    });
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined) throw EmlocError.from(cause);
    throw new EmlocError('INVALID_ARGUMENT', 'BAD_ADAPTER', `${path} is not JSON`, {
      field: 'adapter',
      value: path,
      cause,
    });
  }
}

function readFloats(file: SafetensorsFile, key: string): Float32Array {
  const { dtype, shape } = file.tensors.get(key) as { dtype: 'f32'; shape: readonly number[] };
  using t = tensorFromBytes(readTensorBytes(file, key), shape, dtype);
  return toFloat32Array(t);
}
