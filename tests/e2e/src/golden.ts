/** The golden numbers of the fixtures (PyTorch, float64), and how near to them a result is. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  readSafetensorsHeader,
  readTensorBytes,
  writeSafetensors,
  type SafetensorsFile,
} from '@emloc/tensor-stream';
import { fixturesDirectory } from './emloc.ts';

interface Golden {
  readonly compress: Readonly<Record<string, number>>;
  readonly keptFull?: readonly string[];
  /** What the checkpoint is stored in (absent: float32). */
  readonly storedDtype?: 'float32' | 'bfloat16';
  readonly rank: Readonly<Record<string, number>>;
  readonly gramOf: Readonly<Record<string, string>>;
  readonly lora: { readonly r: number; readonly alpha: number; readonly modules: readonly string[] };
  readonly training: { readonly loss: readonly number[]; readonly gradNorm: readonly number[] };
  readonly trainerLike: {
    readonly loss: readonly number[];
    readonly gradNorm: readonly number[];
    readonly lr: readonly number[];
    readonly deltaFrobenius: Readonly<Record<string, number>>;
  };
}

/** Names of all fixtures. */
export const goldenFixtures: readonly string[] = readdirSync(fixturesDirectory).filter((name) =>
  existsSync(join(fixturesDirectory, name, 'golden.json')),
);

/** A folder of them: a tiny model, data, and what must come of them. */
export class GoldenFixture {
  readonly model: string;
  readonly expected: Golden & {
    readonly relativeDifferenceF32vsF64: Readonly<
      Record<
        string,
        { readonly maxAbsOverMax?: number; readonly frobenius?: number; readonly maxRelative?: number }
      >
    >;
  };
  readonly tensors: SafetensorsFile;

  constructor(name: string) {
    this.model = join(fixturesDirectory, name);
    this.expected = this.#json('golden.json');
    this.tensors = readSafetensorsHeader(join(this.model, 'golden.safetensors'));
  }

  matrix(name: string): Matrix {
    return matrix(this.tensors, name);
  }

  /** Ten times what PyTorch's own float32 is away. */
  allowed(quantity: string, measure: 'maxAbsOverMax' | 'frobenius' | 'maxRelative'): number {
    return 10 * (this.expected.relativeDifferenceF32vsF64[quantity]?.[measure] ?? Number.NaN);
  }

  get probe(): readonly number[] {
    return this.#json<{ ids: number[] }>('probe.json').ids;
  }

  /** The training batches, a row a line, in order. */
  writeTrainingData(path: string): void {
    const { batches } = this.#json<{ batches: { ids: number[]; labels: number[] }[][] }>('train.json');
    writeLines(
      path,
      batches.flat().map(({ ids, labels }) => ({ input_ids: ids, labels })),
    );
  }

  /** The calibration sequences, a row a line. */
  writeCalibrationData(path: string): void {
    writeLines(
      path,
      this.#json<{ sequences: number[][] }>('calib.json').sequences.map((ids) => ({ input_ids: ids })),
    );
  }

  /** The adapter that the golden trajectories start from: A as drawn, B zero, as PEFT lays it out. */
  writeInitialAdapter(directory: string): void {
    mkdirSync(directory, { recursive: true });
    const config = this.#json<Record<string, unknown>>('adapter-uncorrected/adapter_config.json');
    writeFileSync(join(directory, 'adapter_config.json'), JSON.stringify(config));
    const tensors = this.expected.lora.modules.flatMap((module) => {
      const a = this.matrix(`lora_A_init.${module}`);
      const b = this.matrix(`lora_B.${module}`);
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

  #json<T>(name: string): T {
    return JSON.parse(readFileSync(join(this.model, name), 'utf8')) as T;
  }
}

/** The one that most tests use, and its parts. */
const llama = new GoldenFixture('tiny-llama');
export const golden: Golden = llama.expected;
export const goldenTensors = llama.tensors;
export const writeTrainingData = (path: string): void => llama.writeTrainingData(path);
export const writeCalibrationData = (path: string): void => llama.writeCalibrationData(path);
export const writeInitialAdapter = (directory: string): void => llama.writeInitialAdapter(directory);

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

export const writeLines = (path: string, rows: readonly object[]): void =>
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

/** scale · B A of a module of a PEFT adapter. */
export function delta(adapter: SafetensorsFile, module: string, scale = 1): Matrix {
  const factor = (name: string): Matrix => matrix(adapter, `base_model.model.${module}.lora_${name}.weight`);
  return scaled(multiply(factor('B'), factor('A')), scale);
}

export const scaled = ({ rows, columns, values }: Matrix, scale: number): Matrix => ({
  rows,
  columns,
  values: values.map((value) => scale * value),
});
