/** Which safetensors files a directory has, single or sharded, and where each tensor lies in them. */
import { EmlocError } from '@emloc/errors';
import { readSafetensorsHeader } from '@emloc/tensor-stream';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { parseFields } from '../architectures/config-fields.ts';
import type { StoredTensor } from '../types.ts';
import { readJsonObject } from './read-json.ts';

const indexFile = 'model.safetensors.index.json';
const singleFile = 'model.safetensors';

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string().min(1)) });

export interface WeightFiles {
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

export const readWeightFiles = (dir: string): WeightFiles => {
  const index = join(dir, indexFile);
  // As transformers does: one whole file wins over an index that may be left over.
  if (existsSync(join(dir, singleFile))) return { ...readAll([join(dir, singleFile)]) };
  if (!existsSync(index)) throw noWeights(dir);
  const { weight_map } = parseFields(indexSchema, readJsonObject(index), indexFile);
  const names = [...new Set(Object.values(weight_map))].sort();
  for (const name of names) {
    if (name !== basename(name))
      throw badIndex(name, `${indexFile} names a file outside the directory: ${name}`);
    if (!existsSync(join(dir, name))) throw badIndex(name, `a shard is missing: ${name}`);
  }
  const all = readAll(names.map((name) => join(dir, name)));
  for (const [tensor, file] of Object.entries(weight_map)) {
    const found = all.tensors.get(tensor);
    if (found === undefined || basename(found.file) !== file)
      throw badIndex(tensor, `${indexFile} says that ${tensor} is in ${file}, but it is not`);
  }
  return all;
};

const readAll = (files: readonly string[]): WeightFiles => {
  const tensors = new Map<string, StoredTensor>();
  for (const file of files)
    for (const [name, { dtype, shape, begin, end }] of readSafetensorsHeader(file).tensors) {
      const before = tensors.get(name);
      if (before)
        throw badIndex(name, `${name} is both in ${basename(before.file)} and in ${basename(file)}`);
      tensors.set(name, { file, name, dtype, shape, begin, end });
    }
  return { files, tensors };
};

const badIndex = (value: string, message: string): EmlocError =>
  new EmlocError('INVALID_ARGUMENT', 'BAD_WEIGHT_INDEX', message, {
    field: indexFile,
    value,
    mend: 'download the model again',
  });

const noWeights = (dir: string): EmlocError => {
  const others = readdirSync(dir).filter((name) => /\.(bin|pt|pth|h5|msgpack|onnx|gguf)$/.test(name));
  return new EmlocError(
    'NOT_FOUND',
    'NO_WEIGHTS',
    `there is no ${singleFile} and no ${indexFile} in the model directory` +
      (others.length > 0 ? ` (only ${others.slice(0, 3).join(', ')})` : ''),
    {
      field: 'model',
      value: dir,
      mend: 'convert the weights to safetensors, or download them in that format',
    },
  );
};
