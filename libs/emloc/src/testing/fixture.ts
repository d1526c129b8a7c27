/** What tests share: the golden fixtures and small comparisons. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toFloat64Array, type Tensor } from '@emloc/engine';
import type { TokenRow } from '@emloc/models';
import { readSafetensorsHeader, readTensorBytes, type SafetensorsFile } from '@emloc/tensor-stream';
import { onTestFinished } from 'vitest';
import type { TrainingPlan } from '../training/training-plan.ts';

const fixtures = fileURLToPath(new URL('../../../../tests/fixtures', import.meta.url));

export interface Trajectory {
  readonly hyperparameters: {
    readonly lr: number;
    readonly weightDecay: number;
    readonly maxGradNorm: number | null;
  };
  readonly loss: readonly number[];
  readonly gradNorm: readonly number[];
  readonly lr: readonly number[];
  readonly deltaFrobenius: Readonly<Record<string, number>>;
}

export interface Golden {
  /** What the checkpoint is stored in, and so the factors and merged weights (absent: float32). */
  readonly storedDtype?: 'float32' | 'bfloat16';
  /** Calibration rows that each compressed linear saw (absent: not recorded). */
  readonly rows?: Readonly<Record<string, number>>;
  /** Linears of experts that saw fewer rows than their rank, and so keep their full weights. */
  readonly keptFull?: readonly string[];
  readonly compress: Readonly<Record<string, number>>;
  readonly rank: Readonly<Record<string, number>>;
  readonly gramOf: Readonly<Record<string, string>>;
  readonly lora: {
    readonly r: number;
    readonly alpha: number;
    readonly target_modules: readonly string[];
    readonly modules: readonly string[];
  };
  readonly training: Trajectory;
  readonly trainerLike: Trajectory;
  readonly correction: {
    readonly limit: number;
    readonly clampRatio: Readonly<Record<string, readonly number[]>>;
  };
  readonly relativeDifferenceF32vsF64: Readonly<
    Record<string, { maxAbsOverMax?: number; frobenius?: number; maxRelative?: number }>
  >;
}

/**
 * A folder of golden numbers (tests/reference/make_golden.py): a tiny model, data, and what must come of them. By name, or
 * by path a folder of a model and data alone.
 */
export class GoldenFixture {
  readonly name: string;
  readonly dir: string;
  #expected: Golden | undefined;
  #file: SafetensorsFile | undefined;

  constructor(name: string) {
    this.name = name;
    this.dir = resolve(fixtures, name);
  }

  get expected(): Golden {
    return (this.#expected ??= this.#json<Golden>('golden.json'));
  }

  /** A golden f32 tensor by name. */
  tensor(name: string): Float32Array {
    this.#file ??= readSafetensorsHeader(join(this.dir, 'golden.safetensors'));
    return new Float32Array(readTensorBytes(this.#file, name).buffer as ArrayBuffer);
  }

  calibrationRows(): TokenRow[] {
    return this.#json<{ sequences: number[][] }>('calib.json').sequences.map((inputIds) => ({ inputIds }));
  }

  probe(): TokenRow {
    return { inputIds: this.#json<{ ids: number[] }>('probe.json').ids };
  }

  trainBatches(): TokenRow[][] {
    return this.#json<{ batches: { ids: number[]; labels: number[] }[][] }>('train.json').batches.map(
      (batch) => batch.map(({ ids, labels }) => ({ inputIds: ids, labels })),
    );
  }

  /** Step s trains on batch s mod 5, in micro-batches of so many rows. */
  plan(microBatchSize = 4): TrainingPlan {
    const batches = this.trainBatches();
    return {
      stepsPerEpoch: batches.length,
      batchAt: (step) => {
        const rows = batches[step % batches.length] ?? [];
        return Array.from({ length: Math.ceil(rows.length / microBatchSize) }, (_, i) =>
          rows.slice(i * microBatchSize, (i + 1) * microBatchSize),
        );
      },
    };
  }

  #json<T>(name: string): T {
    return JSON.parse(readFileSync(join(this.dir, name), 'utf8')) as T;
  }
}

/** Names of all. */
export const goldenFixtures: readonly string[] = readdirSync(fixtures).filter((name) =>
  existsSync(join(fixtures, name, 'golden.json')),
);

const llama = new GoldenFixture('tiny-llama');

/** The one that most tests use, and its parts. */
export const tinyLlama = llama.dir;
export const goldenJson = (): Golden => llama.expected;
export const golden = (name: string): Float32Array => llama.tensor(name);
export const calibrationRows = (): TokenRow[] => llama.calibrationRows();
export const probe = (): TokenRow => llama.probe();
export const trainBatches = (): TokenRow[][] => llama.trainBatches();
export const goldenPlan = (microBatchSize = 4): TrainingPlan => llama.plan(microBatchSize);

/** max|a − b| / max|b| */
export function maxRelative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < b.length; i += 1) {
    difference = Math.max(difference, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)));
    largest = Math.max(largest, Math.abs(b[i] ?? 0));
  }
  return Number.isNaN(difference) ? Infinity : difference / largest;
}

/** ‖a − b‖ / ‖b‖ */
export function frobenius(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i += 1) {
    difference += ((a[i] ?? NaN) - (b[i] ?? NaN)) ** 2;
    norm += (b[i] ?? 0) ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** The largest |aᵢ − bᵢ| / |bᵢ|. */
export function worstRelative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < b.length; i += 1) {
    if (a[i] === b[i]) continue; // also where both are 0
    worst = Math.max(worst, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)) / Math.abs(b[i] ?? 0));
  }
  return worst;
}

/** Values of a tensor, which ends. */
export function take(t: Tensor): Float64Array {
  const values = toFloat64Array(t);
  t.dispose();
  return values;
}

/** A directory that ends with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'emloc-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Repeatable numbers, roughly normal. */
export function randomNumbers(count: number, seed: number): Float64Array {
  let state = (seed * 2654435761 + 1) >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float64Array.from({ length: count }, () => uniform() + uniform() + uniform() + uniform() - 2);
}
