/** Writes PEFT adapter directories as PEFT's `save_pretrained` does; the format is described in open-adapter.ts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { settleMemory, toFloat32Array } from '@emloc/engine';
import { writeDirectory, type WriteOptions } from '@emloc/models';
import { writeSafetensors } from '@emloc/tensor-stream';
import type { AdapterHistory } from './adapter-history.ts';
import type { LoraAdapter } from './lora-adapter.ts';
import { adapterFiles, keyA, keyB, peftConfig } from './peft-format.ts';
import { targetModulesForPeft } from './target-modules.ts';

export interface SaveAdapterOptions extends WriteOptions {
  /** Name or path of the original model, as PEFT shall find it. */
  readonly baseModel: string;
  readonly history?: AdapterHistory;
}

/** Writes the directory as PEFT's `save_pretrained` does, whole or not at all. */
export async function saveAdapter(
  adapter: LoraAdapter,
  out: string,
  options: SaveAdapterOptions,
): Promise<void> {
  const { settings, layout } = adapter;
  const targets = targetModulesForPeft(layout.modules, settings.targetModules);
  const config = peftConfig({
    ...settings,
    targetModules: targets,
    baseModel: options.baseModel,
    fanInFanOut: layout.modules.some(({ transposed }) => transposed),
  });
  settleMemory(performance.now(), 0);
  const values = toFloat32Array(adapter.parameters);
  const part = (name: string, shape: readonly [number, number], offset: number) => ({
    name,
    dtype: 'f32' as const,
    shape,
    bytes: bytesOfFloats(values.subarray(offset, offset + shape[0] * shape[1])),
  });
  await writeDirectory(out, options, (directory) => {
    writeSafetensors(
      join(directory, adapterFiles.weights),
      layout.modules.flatMap(({ module, inFeatures, outFeatures, aOffset, bOffset }) => [
        part(keyA(module), [layout.r, inFeatures], aOffset),
        part(keyB(module), [outFeatures, layout.r], bOffset),
      ]),
      { format: 'pt', ...(options.history === undefined ? {} : { emloc: JSON.stringify(options.history) }) },
    );
    writeFileSync(join(directory, adapterFiles.config), `${JSON.stringify(config, null, 2)}\n`);
  });
}

const bytesOfFloats = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
