/**
 * The weight files of an emulator. One file where it is known beforehand what is factored. Where the Grams decide (an
 * expert that too few rows came to keeps its full weights), a file of all that is not in question, and then one for each
 * layer as its Grams come, with an index as transformers' sharded checkpoints have it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { moduleOf, type ModelDirectory } from '@emloc/models';
import { SafetensorsWriter, type TensorInfo } from '@emloc/tensor-stream';
import type { DecoderLinear } from '../decoder-linears.ts';
import type { StoredWeights } from '../directory/stored-weights.ts';
import type { CompressedLinear } from '../ratios/resolve-ratios.ts';

export class EmulatorFiles implements Disposable {
  readonly #directory: string;
  readonly #model: ModelDirectory;
  readonly #linears: ReadonlyMap<string, DecoderLinear>;
  readonly #compressed: ReadonlyMap<string, CompressedLinear>;
  readonly #isWhole: boolean;
  /** Files in all. */
  readonly #count: number;
  readonly #fileOf: Record<string, string> = {};
  #begun = 0;
  #writer: SafetensorsWriter | undefined;

  constructor(
    directory: string,
    model: ModelDirectory,
    linears: readonly DecoderLinear[],
    compressed: ReadonlyMap<string, CompressedLinear>,
  ) {
    this.#directory = directory;
    this.#model = model;
    this.#linears = new Map(linears.map((linear) => [linear.module, linear]));
    this.#compressed = compressed;
    const inQuestion = linears.filter(({ module }) => compressed.has(module));
    this.#isWhole = !inQuestion.some(({ routed }) => routed);
    this.#count = this.#isWhole ? 1 : 1 + new Set(inQuestion.map(({ layer }) => layer)).size;
  }

  /** Begins with what is copied unchanged; yields after each tensor. */
  *copyOthers(stored: StoredWeights): Generator<void> {
    const names = [...this.#model.tensors.keys()];
    const others = names.filter((name) => !this.#compressed.has(moduleOf(name)));
    this.#writer = this.#begin((this.#isWhole ? names : others).flatMap((name) => this.#infoOf(name)));
    for (const name of others) {
      stored.copy(name, this.#writer);
      yield;
    }
  }

  /** Where the linears of one layer are written; those in `full` as they are. */
  layer(linears: readonly DecoderLinear[], full: ReadonlySet<string>): SafetensorsWriter {
    if (!this.#isWhole) {
      this.#writer?.finish();
      const infos = linears.flatMap(({ module }) => this.#infoOf(`${module}.weight`, full));
      this.#writer = this.#begin(infos);
    }
    return this.#writer as SafetensorsWriter;
  }

  finish(): void {
    this.#writer?.finish();
    if (this.#isWhole) return;
    const index = { metadata: {}, weight_map: this.#fileOf };
    const path = join(this.#directory, 'model.safetensors.index.json');
    writeFileSync(path, `${JSON.stringify(index, null, 2)}\n`);
  }

  [Symbol.dispose](): void {
    this.#writer?.[Symbol.dispose]();
  }

  #begin(infos: readonly TensorInfo[]): SafetensorsWriter {
    this.#begun += 1;
    const part = (n: number): string => String(n).padStart(5, '0');
    const name = this.#isWhole
      ? 'model.safetensors'
      : `model-${part(this.#begun)}-of-${part(this.#count)}.safetensors`;
    for (const info of infos) this.#fileOf[info.name] = name;
    return new SafetensorsWriter(join(this.#directory, name), infos, { format: 'pt' });
  }

  /** A tensor of the model as the emulator has it: itself, or two factors. */
  #infoOf(name: string, full: ReadonlySet<string> = new Set()): TensorInfo[] {
    const module = moduleOf(name);
    const { dtype, shape } = this.#model.tensors.get(name) as TensorInfo;
    const linear = this.#linears.get(module);
    const factors = this.#compressed.get(module);
    if (linear === undefined || factors === undefined || full.has(module) || !name.endsWith('.weight'))
      return [{ name, dtype, shape }];
    return [
      { name: `${module}.u`, dtype, shape: [linear.outFeatures, factors.rank] },
      { name: `${module}.v`, dtype, shape: [factors.rank, linear.inFeatures] },
    ];
  }
}
