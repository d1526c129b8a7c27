/** The golden numbers of tests/fixtures/tiny-llama and the little algebra that compares with them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader, readTensorBytes, type SafetensorsFile } from '@emloc/tensor-stream';
import { fixture } from './test-mesh.ts';

/** Row-major, in float64. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;
}

export interface GoldenJson {
  readonly rank: Readonly<Record<string, number>>;
  readonly gramOf: Readonly<Record<string, string>>;
  readonly lora: { readonly r: number; readonly modules: readonly string[] };
  readonly training: { readonly loss: readonly number[]; readonly gradNorm: readonly number[] };
  readonly correction: { readonly clampRatio: Readonly<Record<string, readonly number[]>> };
}

export const golden = JSON.parse(readFileSync(join(fixture, 'golden.json'), 'utf8')) as GoldenJson;
export const probe = (JSON.parse(readFileSync(join(fixture, 'probe.json'), 'utf8')) as { ids: number[] }).ids;

const file = readSafetensorsHeader(join(fixture, 'golden.safetensors'));
const weights = readSafetensorsHeader(join(fixture, 'model.safetensors'));

export const goldenMatrix = (name: string): Matrix => matrixIn(file, name);
export const weightOf = (module: string): Matrix => matrixIn(weights, `${module}.weight`);

/** A tensor of f32 or f64 in a safetensors file. */
export function matrixIn(from: SafetensorsFile, name: string): Matrix {
  const entry = from.tensors.get(name);
  if (entry === undefined) throw new RangeError(`${from.path} holds no ${name}`);
  return matrixOf(readTensorBytes(from, name), entry.dtype, entry.shape);
}

export function matrixOf(bytes: Uint8Array, dtype: string, shape: readonly number[]): Matrix {
  const copy = Uint8Array.from(bytes).buffer;
  const values = dtype === 'f64' ? new Float64Array(copy) : Float64Array.from(new Float32Array(copy));
  const columns = shape.at(-1) ?? 1;
  return { rows: values.length / columns, columns, values };
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const values = new Float64Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i += 1) {
    for (let k = 0; k < a.columns; k += 1) {
      const left = a.values[i * a.columns + k] ?? 0;
      for (let j = 0; j < b.columns; j += 1)
        values[i * b.columns + j]! += left * (b.values[k * b.columns + j] ?? 0);
    }
  }
  return { rows: a.rows, columns: b.columns, values };
}

/** ‖a − b‖ / ‖b‖, Frobenius. */
export function distance(a: Matrix, b: Matrix): number {
  if (a.rows !== b.rows || a.columns !== b.columns) return Infinity;
  let difference = 0;
  let size = 0;
  b.values.forEach((value, i) => {
    difference += ((a.values[i] ?? 0) - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(difference / size);
}

export const bytesOf = ({ values }: Matrix): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

/** log p(ids[t] | before), for t = 1…, from logits [T, V]. */
export function logProbabilities(logits: Matrix, ids: readonly number[]): number[] {
  return ids.slice(1).map((id, t) => {
    const row = logits.values.subarray(t * logits.columns, (t + 1) * logits.columns);
    const most = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - most), 0);
    return (row[id] ?? NaN) - most - Math.log(sum);
  });
}
