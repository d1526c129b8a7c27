/**
 * What this process keeps between calls: one model's weights, the adapters that were on it lately, and keys and values
 * of the latest conversations. Files that have
 * changed since are read again.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { decoderLinears, loadAdapter, type AdapterDirectory, type LoraAdapter } from '@emloc/emloc';
import {
  KeptPrefixes,
  openWeights,
  type ModelDirectory,
  type OpenWeightsOptions,
  type WeightSource,
} from '@emloc/models';

/** Adapters of one model that stay loaded beyond those of the call at hand. */
const keptAdapters = 16;

export class HeldModel {
  #key = '';
  #source: WeightSource | undefined;
  /** Of the source, by `adapterKey`. */
  readonly prefixes = new KeptPrefixes();
  /** The one used last is the last. */
  readonly #adapters = new Map<string, LoraAdapter>();

  /** The weights, opened where the last call had others. They stay the holder's. */
  weights(model: ModelDirectory, options: OpenWeightsOptions): WeightSource {
    const files = [join(model.dir, 'config.json'), ...model.weightFiles];
    const key = JSON.stringify([...files.map(stateOf), options]);
    if (this.#source === undefined || key !== this.#key) {
      this.dispose();
      this.#source = openWeights(model, options);
      this.#key = key;
    }
    return this.#source;
  }

  /** On the model that was asked for last. They stay the holder's, until the next call. */
  adapters(directories: readonly AdapterDirectory[], model: ModelDirectory): LoraAdapter[] {
    const found = directories.map((directory) => {
      const key = adapterKey(directory);
      const adapter = this.#adapters.get(key) ?? loadAdapter(directory, decoderLinears(model));
      this.#adapters.delete(key);
      this.#adapters.set(key, adapter);
      return adapter;
    });
    const old = [...this.#adapters].slice(0, Math.max(0, this.#adapters.size - keptAdapters));
    for (const [key, adapter] of old) {
      if (found.includes(adapter)) continue;
      adapter.dispose();
      this.#adapters.delete(key);
    }
    return found;
  }

  dispose(): void {
    this.prefixes.clear();
    for (const adapter of this.#adapters.values()) adapter.dispose();
    this.#adapters.clear();
    this.#source?.close();
    this.#source = undefined;
  }
}

/** Names an adapter as its files are now. */
export const adapterKey = ({ file, dir }: AdapterDirectory): string =>
  [file.path, join(dir, 'adapter_config.json')].map(stateOf).join();

function stateOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path);
  return `${path}:${ino}:${size}:${mtimeMs}`;
}
