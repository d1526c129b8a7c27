/** Model directories made for tests: a tiny Llama with random weights, to be written, changed and broken. */
import { writeSafetensors, type DType } from '@emloc/tensor-stream';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { architectureOf } from '../architectures/index.ts';
import type { TensorSpec } from '../types.ts';
import { randomNumbers } from './fixture.ts';
import { tinyConfigJson } from './tiny-config.ts';

export interface FolderTensor {
  name: string;
  dtype: DType;
  shape: number[];
  bytes: Uint8Array;
}

/** Random numbers as f32, or as bf16 by cutting mantissas. */
export const folderTensor = (
  name: string,
  shape: readonly number[],
  seed: number,
  dtype: DType = 'f32',
): FolderTensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  const numbers = Float32Array.from(randomNumbers(count, seed), (x) => 0.3 * x);
  const words = new Uint16Array(numbers.buffer);
  const bytes =
    dtype === 'bf16'
      ? new Uint8Array(Uint16Array.from({ length: count }, (_, i) => words[2 * i + 1]!).buffer)
      : new Uint8Array(numbers.buffer);
  return { name, dtype, shape: [...shape], bytes };
};

const expectedTensors = (config: Record<string, unknown>): readonly TensorSpec[] => {
  const architecture = architectureOf(config['model_type']);
  return architecture.expectedTensors(architecture.parseConfig(config));
};

/** Every tensor that this config.json promises. */
export const tinyTensors = (config: Record<string, unknown>, dtype: DType = 'f32'): FolderTensor[] =>
  expectedTensors(config).map(({ name, shape }, i) => folderTensor(name, shape, i + 1, dtype));

export class ModelFolder implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'emloc-model-'));
  readonly config: Record<string, unknown>;

  constructor(changes: Record<string, unknown> = {}) {
    this.config = tinyConfigJson(changes);
    this.json('config.json', this.config);
  }

  json(name: string, value: unknown): this {
    writeFileSync(join(this.dir, name), JSON.stringify(value));
    return this;
  }

  weights(tensors: readonly FolderTensor[] = tinyTensors(this.config), name = 'model.safetensors'): this {
    writeSafetensors(join(this.dir, name), tensors);
    return this;
  }

  /** In two shards with an index. */
  sharded(tensors: readonly FolderTensor[] = tinyTensors(this.config)): this {
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const half = Math.ceil(tensors.length / 2);
    this.weights(tensors.slice(0, half), names[0]);
    this.weights(tensors.slice(half), names[1]);
    const weight_map = Object.fromEntries(tensors.map(({ name }, i) => [name, names[i < half ? 0 : 1]]));
    return this.json('model.safetensors.index.json', { metadata: {}, weight_map });
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
