/** The golden numbers of tiny-llama (PyTorch, float64), and how near to them a result is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  readSafetensorsHeader,
  readTensorBytes,
  writeSafetensors,
  type SafetensorsFile,
} from '@emloc/tensor-stream';
import { tinyLlama } from './emloc.ts';

interface Golden {
  readonly rank: Readonly<Record<string, number>>;
  readonly gramOf: Readonly<Record<string, string>>;
  readonly lora: { readonly modules: readonly string[] };
  readonly training: { readonly loss: readonly number[]; readonly gradNorm: readonly number[] };
  readonly trainerLike: {
    readonly loss: readonly number[];
    readonly gradNorm: readonly number[];
    readonly lr: readonly number[];
    readonly deltaFrobenius: Readonly<Record<string, number>>;
  };
}

const readJson = <T>(name: string): T => JSON.parse(readFileSync(join(tinyLlama, name), 'utf8')) as T;

export const golden = readJson<Golden>('golden.json');
export const goldenTensors = readSafetensorsHeader(join(tinyLlama, 'golden.safetensors'));

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

export function matrix(file: SafetensorsFile, name: string): Matrix {
  const [rows = 0, columns = 0] = file.tensors.get(name)?.shape ?? [];
  const bytes = readTensorBytes(file, name);
  return { rows, columns, values: new Float32Array(bytes.slice().buffer) };
}

/** a [m, k] · b [k, n]. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  const values = new Float32Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i += 1) {
    for (let k = 0; k < a.columns; k += 1) {
      const left = a.values[i * a.columns + k] ?? 0;
      for (let j = 0; j < b.columns; j += 1) {
        values[i * b.columns + j] =
          (values[i * b.columns + j] ?? 0) + left * (b.values[k * b.columns + j] ?? 0);
      }
    }
  }
  return { rows: a.rows, columns: b.columns, values };
}

/** ‖a − b‖ / ‖b‖, Frobenius. */
export function distance(a: Matrix, b: Matrix): number {
  let difference = 0;
  let size = 0;
  b.values.forEach((value, i) => {
    difference += (value - (a.values[i] ?? Number.NaN)) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(difference / size);
}

/** The largest relative difference of two lists. */
export const worst = (found: readonly number[], expected: readonly number[]): number =>
  found.length === expected.length
    ? Math.max(...expected.map((value, i) => Math.abs((found[i] ?? Number.NaN) - value) / Math.abs(value)))
    : Number.NaN;

/** The fixture's training batches, a row a line, in order. */
export function writeTrainingData(path: string): void {
  const { batches } = readJson<{ batches: { ids: number[]; labels: number[] }[][] }>('train.json');
  writeLines(
    path,
    batches.flat().map(({ ids, labels }) => ({ input_ids: ids, labels })),
  );
}

/** The fixture's calibration sequences, a row a line. */
export function writeCalibrationData(path: string): void {
  writeLines(
    path,
    readJson<{ sequences: number[][] }>('calib.json').sequences.map((ids) => ({ input_ids: ids })),
  );
}

export const writeLines = (path: string, rows: readonly object[]): void =>
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

/** The adapter that the golden trajectories start from: A as drawn, B zero, as PEFT lays it out. */
export function writeInitialAdapter(directory: string): void {
  const config = readJson<Record<string, unknown>>('adapter-uncorrected/adapter_config.json');
  writeFileSync(join(directory, 'adapter_config.json'), JSON.stringify(config));
  const tensors = golden.lora.modules.flatMap((module) => {
    const a = matrix(goldenTensors, `lora_A_init.${module}`);
    const b = matrix(goldenTensors, `lora_B.${module}`);
    const part = (factor: string, { rows, columns }: Matrix, values: Float32Array) => ({
      name: `base_model.model.${module}.lora_${factor}.weight`,
      dtype: 'f32' as const,
      shape: [rows, columns],
      bytes: new Uint8Array(values.buffer),
    });
    return [part('A', a, a.values), part('B', b, new Float32Array(b.values.length))];
  });
  writeSafetensors(join(directory, 'adapter_model.safetensors'), tensors, { format: 'pt' });
}

/** scale · B A of a module of a PEFT adapter (scale 1 in the fixture). */
export function delta(adapter: SafetensorsFile, module: string): Matrix {
  const factor = (name: string): Matrix => matrix(adapter, `base_model.model.${module}.lora_${name}.weight`);
  return multiply(factor('B'), factor('A'));
}
