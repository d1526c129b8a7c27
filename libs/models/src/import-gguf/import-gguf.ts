/**
 * A GGUF file as a Hugging Face model directory: weights in one safetensors file, config, tokenizer, chat template.
 * Quantized numbers are written out in full, so the directory computes what the GGUF file would, not what the model was
 * before it was quantized. The output appears whole or not at all.
 */
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EmlocError } from '@emloc/errors';
import { SafetensorsWriter } from '@emloc/tensor-stream';
import { assertWritable, writeDirectory, type WriteOptions } from '../directory/output-directory.ts';
import { ggufArchitecture, type TensorTarget } from './architectures/index.ts';
import { convertTensor, type StoredDType } from './convert-tensor.ts';
import { readGguf, type GgufFile, type GgufTensor } from './read-gguf.ts';
import { tokenizerFiles } from './tokenizer/tokenizer-files.ts';

export interface ImportProgress {
  /** The tensor at hand. */
  readonly what: string;
  /** Bytes of the GGUF file. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ImportGgufOptions {
  /** Default: f32 and f16 stay, all else becomes bf16. */
  readonly dtype?: StoredDType;
  /** Replace an output directory that is there. */
  readonly overwrite?: boolean;
  readonly onProgress?: (progress: ImportProgress) => void;
  readonly signal?: AbortSignal;
}

export interface ImportedModel {
  readonly dir: string;
  readonly architecture: string;
  readonly dtype: StoredDType;
  readonly tensors: number;
}

export async function importGguf(
  path: string,
  outDir: string,
  options: ImportGgufOptions = {},
): Promise<ImportedModel> {
  const output: WriteOptions = { overwrite: options.overwrite, field: '--output' };
  assertWritable(outDir, output);
  const file = await readGguf(path);
  const fileName = basename(path);
  const architecture = ggufArchitecture(file, fileName);
  const config = architecture.config(file, fileName);
  const tokenizer = tokenizerFiles(file.metadata, config.max_position_embeddings as number, fileName);
  const dtype = options.dtype ?? storedDType(file);
  const torchDtype = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[dtype];
  const texts = {
    ...tokenizer.files,
    'config.json': { ...config, ...tokenizer.tokenIds, dtype: torchDtype, torch_dtype: torchDtype },
  };
  const targets = new Map<GgufTensor, TensorTarget>();
  for (const tensor of file.tensors.values()) {
    const target = architecture.target(tensor, file, fileName);
    if (target) targets.set(tensor, target);
  }
  return writeDirectory(outDir, output, async (dir) => {
    await writeWeights(file, targets, join(dir, 'model.safetensors'), dtype, options);
    for (const [name, content] of Object.entries(texts)) {
      await writeFile(join(dir, name), `${JSON.stringify(content, null, 2)}\n`);
    }
    return { dir: outDir, architecture: architecture.name, dtype, tensors: targets.size };
  });
}

/** What the matrices are kept in; norms, which GGUF always keeps in f32, follow them. */
function storedDType(file: GgufFile): StoredDType {
  const types = [...file.tensors.values()].filter((t) => t.shape.length > 1).map((t) => t.type.name);
  if (types.every((type) => type === 'F32')) return 'f32';
  return types.every((type) => type === 'F32' || type === 'F16') ? 'f16' : 'bf16';
}

async function writeWeights(
  file: GgufFile,
  targets: ReadonlyMap<GgufTensor, TensorTarget>,
  path: string,
  dtype: StoredDType,
  options: ImportGgufOptions,
): Promise<void> {
  const infos = [...targets.values()].map(({ name, shape }) => ({ name, shape, dtype }));
  using writer = new SafetensorsWriter(path, infos, { format: 'pt' });
  const fileName = basename(file.path);
  const totalBytes = [...targets.keys()].reduce((n, tensor) => n + tensor.bytes, 0);
  let doneBytes = 0;
  const fd = openSync(file.path, 'r');
  try {
    for (const [tensor, target] of targets) {
      for (const bytes of convertTensor(tensor, target, { fd, fileName, dtype, writer })) {
        doneBytes += bytes;
        options.onProgress?.({ what: target.name, doneBytes, totalBytes });
        await nextTurn();
        if (options.signal?.aborted) {
          throw new EmlocError('CANCELLED', 'CANCELLED', `importing ${fileName} was cancelled`);
        }
      }
    }
    writer.finish();
  } finally {
    closeSync(fd);
  }
}
