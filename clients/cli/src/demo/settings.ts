/** The demo's setting: what of it `--full` changes, and what the README's figures were measured with. */
import { fileURLToPath } from 'node:url';
import type { FineTuneJobSpec } from '../wire/job.ts';

export interface DemoOptions {
  readonly full: boolean;
  readonly seed: number;
  readonly steps?: number;
  readonly refineSteps?: number;
  readonly testRows?: number;
}

export interface DemoSettings {
  readonly seed: number;
  readonly maxSteps: number;
  /** Undefined: half of them. */
  readonly refineSteps: number | undefined;
  /** Undefined: all. */
  readonly testRows: number | undefined;
}

/** The quick demo is to end within eight minutes on two cores. */
export function demoSettings({ full, seed, steps, refineSteps, testRows }: DemoOptions): DemoSettings {
  return {
    seed,
    maxSteps: steps ?? (full ? 120 : 60),
    refineSteps,
    testRows: testRows ?? (full ? undefined : 100),
  };
}

const data = new URL('../../../../tests/data/debian-sections/', import.meta.url);
export const trainFile = fileURLToPath(new URL('train.jsonl', data));
export const testFile = fileURLToPath(new URL('test.jsonl', data));

export const sections = [
  ...['admin', 'fonts', 'games', 'graphics', 'java', 'javascript', 'mail', 'math'],
  ...['net', 'perl', 'php', 'python', 'science', 'sound', 'text', 'web'],
];

export const precision = 'PRECISION_BF16';
export const microBatch = 2;

export function demoSpec(model: string, { seed, maxSteps, refineSteps }: DemoSettings): FineTuneJobSpec {
  return {
    model: { path: model },
    dataset: { source: { path: trainFile } },
    compression: { ratio: 0.5, method: 'COMPRESSION_METHOD_ACTIVATION_SVD' },
    calibration: { samples: 64, seed },
    lora: {
      r: 8,
      loraAlpha: 8,
      targetModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj'],
    },
    training: {
      maxSteps,
      learningRate: 1e-3,
      lrSchedulerType: 'LR_SCHEDULER_TYPE_COSINE',
      warmupRatio: 0.03,
      weightDecay: 0.01,
      maxGradNorm: 1,
      batchSize: microBatch,
      gradientAccumulationSteps: 4,
      groupByLength: true,
      seed,
      precision,
    },
    refineSteps,
    correctionMethod: 'CORRECTION_METHOD_AUTO',
    maxCorrectionRatio: 3,
  };
}
