/**
 * Merge: W ← W + s·B A in float32, then cast to the checkpoint's type, tensor by tensor. The result is a model directory
 * like the original, with its files and shards, that transformers loads.
 */
import { copyFileSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { add, bytesOf, cast, matmul, mul, tidy, transpose, type Tensor } from '@emloc/engine';
import { EmlocError } from '@emloc/errors';
import { moduleOf, writeDirectory, type ModelDirectory } from '@emloc/models';
import { SafetensorsWriter } from '@emloc/tensor-stream';
import { breathe } from '../cancel.ts';
import { copyModelFiles } from '../directory/copy-model-files.ts';
import { StoredWeights } from '../directory/stored-weights.ts';
import type { LoraAdapter, LoraFactors } from '../lora/lora-adapter.ts';
import { isFiniteThroughout } from '../matrix.ts';

export interface MergeRequest {
  readonly model: ModelDirectory;
  readonly adapter: LoraAdapter;
  readonly out: string;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly tensors: number }) => void;
}

const indexName = 'model.safetensors.index.json';

export async function mergeModel(request: MergeRequest): Promise<void> {
  const { model, adapter } = request;
  if (model.emulator !== undefined) {
    throw new EmlocError('INVALID_ARGUMENT', 'IS_AN_EMULATOR', `${model.dir} is an emulator`, {
      field: 'model',
      value: model.dir,
      mend: `merge into its original, ${model.emulator.original.name}`,
    });
  }
  await writeDirectory(request.out, request, async (directory) => {
    const stored = new StoredWeights(model);
    const canonical = new Map(
      [...model.tensors].map(([name, { file, name: own }]) => [`${file}\0${own}`, name]),
    );
    let done = 0;
    for (const path of model.weightFiles) {
      const file = stored.file(path);
      const metadata = { ...file.metadata, format: file.metadata['format'] ?? 'pt' };
      using writer = new SafetensorsWriter(
        join(directory, basename(path)),
        [...file.tensors.values()],
        metadata,
      );
      for (const own of file.tensors.keys()) {
        const name = canonical.get(`${path}\0${own}`) ?? own;
        const factors = name.endsWith('.weight') ? adapter.factors(moduleOf(name)) : undefined;
        if (factors === undefined) stored.copy(name, writer, own);
        else writer.write(own, mergedBytes(stored, name, factors, adapter.scale));
        done += 1;
        request.onProgress?.({ done, tensors: model.tensors.size });
        await breathe(request.signal);
      }
      writer.finish();
    }
    copyModelFiles(model.dir, directory);
    const index = join(model.dir, indexName);
    if (existsSync(index)) copyFileSync(index, join(directory, indexName));
  });
}

function mergedBytes(stored: StoredWeights, name: string, factors: LoraFactors, scale: number): Uint8Array {
  using weight = stored.read(name);
  const asStored = (t: Tensor): Tensor => (stored.model.isTransposed(moduleOf(name)) ? transpose(t) : t);
  using merged = tidy(() => cast(asStored(mergeWeight(asStored(weight), factors, scale)), weight.dtype));
  if (!isFiniteThroughout(merged)) {
    throw new EmlocError(
      'FAILED_PRECONDITION',
      'NOT_FINITE',
      `${name} does not stay finite with the adapter`,
      {
        field: 'adapter',
        value: name,
        mend: 'use an adapter of smaller weights, or a checkpoint of a wider type',
      },
    );
  }
  return bytesOf(merged);
}

/** W + s·B A in the factors' type; the caller's. */
export function mergeWeight(weight: Tensor, { a, b }: LoraFactors, scale: number): Tensor {
  return tidy(() => add(cast(weight, a.dtype), mul(matmul(b, a), scale)));
}
